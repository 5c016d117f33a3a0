package io.sallyport.e2e;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Setup;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Who may know whom. Data flows one way: wire, fact, decision, wire. */
class LayersTest {
    private static final JavaClasses CODE = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .withImportOption(location -> !location.contains("-tests.jar"))
            // Generated, large, and below everything.
            .withImportOption(location -> !location.contains("/io/sallyport/api/"))
            .importPackages("io.sallyport");

    @Test
    void everyModuleIsHere() {
        assertThat(Stream.of(
                                "base",
                                "identity",
                                "policy",
                                "kubernetes",
                                "extauthz",
                                "issuer",
                                "envoyconfig",
                                "agent",
                                "e2e")
                        .filter(module -> CODE.stream()
                                .noneMatch(each -> each.getPackageName().startsWith("io.sallyport." + module))))
                .as("modules of which this test sees no class, so that its rules say nothing about them")
                .isEmpty();
    }

    @Test
    void modulesKnowOnlyWhatIsBelowThem() {
        layeredArchitecture()
                .consideringOnlyDependenciesInAnyPackage("io.sallyport..")
                // Of the generated classes none is read in; that the others are here is checked above.
                .withOptionalLayers(true)
                .layer("base")
                .definedBy("io.sallyport.base..")
                .layer("api")
                .definedBy("io.sallyport.api..")
                .layer("identity")
                .definedBy("io.sallyport.identity..")
                .layer("policy")
                .definedBy("io.sallyport.policy..")
                .layer("kubernetes")
                .definedBy("io.sallyport.kubernetes..")
                .layer("ext-authz")
                .definedBy("io.sallyport.extauthz..")
                .layer("token-issuer")
                .definedBy("io.sallyport.issuer..")
                .layer("envoy-config")
                .definedBy("io.sallyport.envoyconfig..")
                .layer("supervisor-agent")
                .definedBy("io.sallyport.agent..")
                .layer("e2e")
                .definedBy("io.sallyport.e2e..")
                .whereLayer("base")
                .mayNotAccessAnyLayer()
                .whereLayer("api")
                .mayNotAccessAnyLayer()
                .whereLayer("identity")
                .mayOnlyAccessLayers("base", "api")
                .whereLayer("policy")
                .mayOnlyAccessLayers("base", "api")
                .whereLayer("kubernetes")
                .mayOnlyAccessLayers("base", "identity")
                .whereLayer("ext-authz")
                .mayOnlyAccessLayers("base", "api", "identity", "policy", "kubernetes")
                .whereLayer("token-issuer")
                .mayOnlyAccessLayers("base", "api", "identity", "kubernetes")
                .whereLayer("envoy-config")
                .mayOnlyAccessLayers("base", "policy")
                .whereLayer("supervisor-agent")
                .mayOnlyAccessLayers("api")
                .check(CODE);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().matching("io.sallyport.(**)").should().beFreeOfCycles().check(CODE);
    }

    /** The policy reads messages; it never learns who calls, and never looks anything up. */
    @Test
    void thePolicyKnowsNeitherCallersNorNetworks() {
        noClasses()
                .that()
                .resideInAPackage("io.sallyport.policy..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.sallyport.identity..", "io.netty..", "java.net..", "java.sql..")
                .check(CODE);
    }

    /** JOSE is done in one place. */
    @Test
    void onlyIdentityKnowsTheJoseLibrary() {
        noClasses()
                .that()
                .resideOutsideOfPackage("io.sallyport.identity..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("com.nimbusds..")
                .check(CODE);
    }

    /** SQL is done in one place. */
    @Test
    void onlyTheIssuersStoreKnowsTheDatabase() {
        noClasses()
                .that()
                .resideOutsideOfPackage("io.sallyport.issuer.store..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "java.sql..", "org.sqlite..", "org.postgresql..", "com.zaxxer.hikari..", "org.flywaydb..")
                .check(CODE);
    }

    /** The API server is asked in one place, whose library is loaded where Kubernetes is configured and nowhere else. */
    @Test
    void onlyTheKubernetesModuleKnowsItsClient() {
        noClasses()
                .that()
                .resideOutsideOfPackage("io.sallyport.kubernetes..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.fabric8..")
                .check(CODE);
    }

    /** What is fetched or measured by the clock comes in as a parameter, so that tests can set it. */
    @Test
    void nobodyAsksTheClockDirectly() {
        noClasses()
                .that()
                .resideInAnyPackage(
                        "io.sallyport.identity..",
                        "io.sallyport.policy..",
                        "io.sallyport.kubernetes..",
                        "io.sallyport.extauthz..",
                        "io.sallyport.issuer..",
                        "io.sallyport.agent..")
                .should()
                .callMethod(java.time.Instant.class, "now")
                .orShould()
                .callMethod(System.class, "currentTimeMillis")
                .check(CODE);
    }

    @Test
    void noStaticStateThatChanges() {
        classes()
                .that()
                .resideOutsideOfPackage("io.sallyport.api..")
                .should(haveOnlyFinalStaticFields())
                .check(CODE);
    }

    @Test
    void everyPackageSaysWhatItIsForAndIsNullMarked() {
        classes()
                .that(areOurs())
                .should(new ArchCondition<>("reside in a package with a @NullMarked package-info") {
                    @Override
                    public void check(JavaClass item, ConditionEvents events) {
                        boolean marked = item.getPackage().isAnnotatedWith("org.jspecify.annotations.NullMarked");
                        events.add(new SimpleConditionEvent(item, marked, item.getPackageName() + " is not marked"));
                    }
                })
                .check(CODE);
    }

    /** Classes run two at a time: another's calls would be among those that a test counts. */
    @ParameterizedTest
    @CsvSource({"shared, " + Arenas.SHARED, "breakable, " + Arenas.BREAKABLE})
    void theArenasThatTestClassesShareTheyLock(String method, String lock) {
        List<Class<?>> users = new ClassFileImporter()
                        .withImportOption(ImportOption.Predefined.ONLY_INCLUDE_TESTS)
                        .importPackages("io.sallyport.e2e")
                        .get(Arenas.class)
                        .getMethod(method, Setup.class)
                        .getAccessesToSelf()
                        .stream()
                        .<Class<?>>map(
                                access -> access.getOriginOwner().reflect().getNestHost())
                        .filter(user -> !user.isAnnotationPresent(Isolated.class))
                        .distinct()
                        .toList();
        assertThat(users)
                .isNotEmpty()
                .allSatisfy(user -> assertThat(user.getAnnotationsByType(ResourceLock.class))
                        .extracting(ResourceLock::value)
                        .contains(lock));
    }

    private static DescribedPredicate<JavaClass> areOurs() {
        return DescribedPredicate.describe(
                "are written by hand", each -> !each.getPackageName().startsWith("io.sallyport.api"));
    }

    private static ArchCondition<JavaClass> haveOnlyFinalStaticFields() {
        return new ArchCondition<>("have only final static fields") {
            @Override
            public void check(JavaClass item, ConditionEvents events) {
                item.getFields().stream()
                        .filter(field ->
                                field.getModifiers().contains(com.tngtech.archunit.core.domain.JavaModifier.STATIC))
                        .filter(field -> !field.getName().startsWith("$"))
                        .forEach(field -> events.add(new SimpleConditionEvent(
                                field,
                                field.getModifiers().contains(com.tngtech.archunit.core.domain.JavaModifier.FINAL),
                                field.getFullName() + " can be reassigned")));
            }
        };
    }
}
