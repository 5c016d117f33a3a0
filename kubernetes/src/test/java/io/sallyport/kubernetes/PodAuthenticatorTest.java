package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import com.nimbusds.jwt.JWTClaimsSet;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.client.dsl.PodResource;
import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import io.sallyport.identity.Principal;
import io.sallyport.identity.SandboxId;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Pods and a real API server, asked with the rights that ext-authz has and no others. */
@SharedApiServer
class PodAuthenticatorTest {
    private static final String METHOD = "/openshell.v1.OpenShell/IssueSandboxToken";
    private static final AtomicInteger NUMBERS = new AtomicInteger();

    private final TestCluster server;
    private TestSandboxes sandboxes;
    private TestSandboxes others;
    private PodAuthenticator authenticator;
    private final String name = "pod-" + NUMBERS.incrementAndGet();

    PodAuthenticatorTest(TestCluster server) {
        this.server = server;
    }

    @BeforeEach
    void prepare() throws IOException {
        sandboxes = TestSandboxes.prepare(server, "sandboxes-of-pods");
        others = TestSandboxes.prepare(server, "others");
        authenticator = connect(true);
    }

    @AfterEach
    void disconnect() {
        authenticator.close();
    }

    private PodAuthenticator connect(boolean requireOwner) throws IOException {
        // The account may look into both namespaces, so that whatever is refused is refused by the check.
        others.grant(server, "ext-authz");
        Path kubeconfig = sandboxes.grant(server, "ext-authz");
        return PodAuthenticator.connect(settings(kubeconfig, requireOwner), Clock.systemUTC(), System::nanoTime);
    }

    private KubernetesSettings settings(Path kubeconfig, boolean requireOwner) {
        return new KubernetesSettings(
                sandboxes.cluster(kubeconfig),
                TestSandboxes.AUDIENCE,
                Set.of(TestSandboxes.ACCOUNT, "second-account"),
                requireOwner,
                Duration.ofSeconds(30),
                16,
                512);
    }

    private Outcome authenticate(String token) {
        return authenticator.authenticate(new Credential("bearer", token, METHOD));
    }

    @Test
    void aPodIsItsSandbox() {
        Pod pod = sandboxes.pod(name, "box-" + name);
        assertThat(authenticate(sandboxes.token(pod)))
                .isEqualTo(new Outcome.Authenticated(new Principal.ServiceAccount(
                        sandboxes.namespace(),
                        TestSandboxes.ACCOUNT,
                        name,
                        pod.getMetadata().getUid(),
                        Optional.of(pod.getMetadata()
                                .getOwnerReferences()
                                .getFirst()
                                .getUid()),
                        new SandboxId("box-" + name))));
    }

    @Test
    void aSecondAllowedAccountWillDo() {
        sandboxes.account("second-account");
        assertThat(authenticate(ofSecondAccount())).isInstanceOf(Outcome.Authenticated.class);
    }

    @ParameterizedTest
    @MethodSource
    void theOwnerMayBeOfEitherVersion(String version) {
        GenericKubernetesResource sandbox = sandboxes.sandbox(name, "box-" + name);
        sandbox.setApiVersion("agents.x-k8s.io/" + version);
        Pod pod = sandboxes.pod(
                name,
                TestSandboxes.ACCOUNT,
                Map.of("openshell.io/sandbox-id", "box-" + name),
                List.of(TestSandboxes.owner(sandbox, true)));
        assertThat(authenticate(sandboxes.token(pod))).isInstanceOf(Outcome.Authenticated.class);
    }

    static Stream<String> theOwnerMayBeOfEitherVersion() {
        return SandboxResources.VERSIONS.stream();
    }

    /** Each check of the order, failing alone: everything else about the pod is right. */
    enum Row {
        NOT_A_TOKEN(Reason.POD_TOKEN_MALFORMED) {
            @Override
            String token(PodAuthenticatorTest test) {
                return "not.a.token";
            }
        },
        ADMINISTRATORS_TOKEN(Reason.POD_TOKEN_MALFORMED, true) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.own().adminToken();
            }
        },
        ANOTHER_AUDIENCE(Reason.POD_TOKEN_AUDIENCE) {
            @Override
            String token(PodAuthenticatorTest test) {
                Pod pod = test.sandboxes.pod(test.name, "box");
                return test.token(pod, "https://kubernetes.default.svc");
            }
        },
        OF_A_SECRET_AS_IT_ONCE_WAS(Reason.POD_TOKEN_AUDIENCE, true) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.legacy(List.of());
            }
        },
        ENDED_LONG_AGO(Reason.POD_TOKEN_EXPIRED, true) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.ended(Duration.ofMinutes(2));
            }
        },
        ANOTHER_NAMESPACE(Reason.POD_TOKEN_SUBJECT) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.others.token(test.others.pod(test.name, "box"));
            }
        },
        ANOTHER_ACCOUNT(Reason.POD_TOKEN_SUBJECT) {
            @Override
            String token(PodAuthenticatorTest test) {
                test.sandboxes.account("third-account");
                return test.sandboxes.token(test.sandboxes.pod(
                        test.name,
                        "third-account",
                        Map.of("openshell.io/sandbox-id", "box"),
                        List.of(TestSandboxes.owner(test.sandboxes.sandbox(test.name, "box"), true))));
            }
        },
        SIGNATURE_ALTERED(Reason.POD_TOKEN_FORGED) {
            @Override
            String token(PodAuthenticatorTest test) {
                String token = test.sandboxes.token(test.sandboxes.pod(test.name, "box"));
                int at = token.lastIndexOf('.') + 10;
                return token.substring(0, at) + (token.charAt(at) == 'A' ? 'B' : 'A') + token.substring(at + 1);
            }
        },
        SIGNED_WITH_ANOTHER_KEY(Reason.POD_TOKEN_FORGED) {
            @Override
            String token(PodAuthenticatorTest test) {
                return ResignedTokens.asAForger()
                        .change(test.sandboxes.token(test.sandboxes.pod(test.name, "box")), claims -> claims);
            }
        },
        OF_ANOTHER_ISSUER(Reason.REVIEW_REFUSED, true) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.said(claims -> claims.issuer("https://another.example"));
            }
        },
        OF_ANOTHER_POD_UNDER_ITS_NAME(Reason.REVIEW_REFUSED, true) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.said(claims -> claims.claim(
                        "kubernetes.io",
                        Map.of(
                                "namespace", test.sandboxes.namespace(),
                                "serviceaccount", Map.of("name", TestSandboxes.ACCOUNT, "uid", test.accountUid()),
                                "pod", Map.of("name", test.name, "uid", "another"))));
            }
        },
        ACCOUNT_DELETED(Reason.REVIEW_REFUSED) {
            @Override
            String token(PodAuthenticatorTest test) {
                test.sandboxes.account("second-account");
                String token = test.ofSecondAccount();
                test.deleteSecondAccount();
                return token;
            }
        },
        ACCOUNT_RECREATED_UNDER_ITS_NAME(Reason.REVIEW_REFUSED) {
            @Override
            String token(PodAuthenticatorTest test) {
                String token = ACCOUNT_DELETED.token(test);
                test.sandboxes.account("second-account");
                return token;
            }
        },
        OF_A_SECRET_FOR_OUR_AUDIENCE(Reason.REVIEW_POD, true) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.legacy(List.of(TestSandboxes.AUDIENCE));
            }
        },
        BOUND_TO_A_SECRET(Reason.REVIEW_POD) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.boundTo(test.create(new SecretBuilder()
                        .withNewMetadata()
                        .withName(test.name)
                        .withNamespace(test.sandboxes.namespace())
                        .endMetadata()
                        .build()));
            }
        },
        BOUND_TO_A_NODE(Reason.REVIEW_POD, true) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.boundTo(test.create(new NodeBuilder()
                        .withNewMetadata()
                        .withName("node-of-" + test.name)
                        .endMetadata()
                        .build()));
            }
        },
        NOT_BOUND_TO_A_POD(Reason.REVIEW_POD) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.sandboxes.token(
                        test.sandboxes.namespace(),
                        TestSandboxes.ACCOUNT,
                        null,
                        TestSandboxes.AUDIENCE,
                        Duration.ofHours(1));
            }
        },
        POD_DELETED(Reason.REVIEW_REFUSED) {
            @Override
            String token(PodAuthenticatorTest test) {
                String token = test.sandboxes.token(test.sandboxes.pod(test.name, "box"));
                test.sandboxes.deletePod(test.name);
                return token;
            }
        },
        POD_DELETED_AND_THE_REVIEW_STILL_SAYS_YES(Reason.POD_GONE) {
            @Override
            String token(PodAuthenticatorTest test) {
                String token = test.sandboxes.token(test.sandboxes.pod(test.name, "box"));
                assertThat(test.authenticate(token)).isInstanceOf(Outcome.Authenticated.class);
                test.sandboxes.deletePod(test.name);
                return token;
            }
        },
        POD_RECREATED_UNDER_ITS_NAME(Reason.POD_REPLACED) {
            @Override
            String token(PodAuthenticatorTest test) {
                String token = POD_DELETED_AND_THE_REVIEW_STILL_SAYS_YES.token(test);
                test.sandboxes.deleteSandbox(test.name);
                test.sandboxes.pod(test.name, "box");
                return token;
            }
        },
        POD_HAS_FAILED(Reason.POD_ENDED) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.inPhase("Failed");
            }
        },
        POD_HAS_SUCCEEDED(Reason.POD_ENDED) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.inPhase("Succeeded");
            }
        },
        POD_IS_BEING_DELETED(Reason.POD_ENDED) {
            @Override
            String token(PodAuthenticatorTest test) {
                String token = test.sandboxes.token(test.sandboxes.pod(test.name, "box"));
                test.pod()
                        .edit(pod -> new PodBuilder(pod)
                                .editMetadata()
                                .addToFinalizers("example.com/wait")
                                .endMetadata()
                                .build());
                test.sandboxes.deletePod(test.name);
                return token;
            }
        },
        NO_ANNOTATION(Reason.POD_ANNOTATION) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.annotated(Map.of());
            }
        },
        EMPTY_ANNOTATION(Reason.POD_ANNOTATION) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.annotated(Map.of("openshell.io/sandbox-id", ""));
            }
        },
        ANNOTATION_THAT_IS_NO_ID(Reason.POD_ANNOTATION) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.annotated(Map.of("openshell.io/sandbox-id", "a box"));
            }
        },
        ANNOTATION_CHANGED_TO_ANOTHER_SANDBOX(Reason.OWNER_LABEL) {
            @Override
            String token(PodAuthenticatorTest test) {
                String token = test.sandboxes.token(test.sandboxes.pod(test.name, "box"));
                assertThat(test.authenticate(token)).isInstanceOf(Outcome.Authenticated.class);
                test.pod()
                        .edit(pod -> new PodBuilder(pod)
                                .editMetadata()
                                .addToAnnotations("openshell.io/sandbox-id", "another")
                                .endMetadata()
                                .build());
                return token;
            }
        },
        NO_OWNER(Reason.OWNER_MISSING) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.owned(List.of());
            }
        },
        OWNER_OF_ANOTHER_KIND(Reason.OWNER_MISSING) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.ownedBy(sandbox -> sandbox.setKind("SandboxClaim"));
            }
        },
        OWNER_OF_ANOTHER_GROUP(Reason.OWNER_MISSING) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.ownedBy(sandbox -> sandbox.setApiVersion("agents.example.com/v1beta1"));
            }
        },
        OWNER_OF_ANOTHER_VERSION(Reason.OWNER_MISSING) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.ownedBy(sandbox -> sandbox.setApiVersion("agents.x-k8s.io/v2"));
            }
        },
        TWO_OWNERS(Reason.OWNER_SEVERAL) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.owned(List.of(
                        TestSandboxes.owner(test.sandboxes.sandbox(test.name, "box"), true),
                        TestSandboxes.owner(test.sandboxes.sandbox(test.name + "-2", "box"), false)));
            }
        },
        OWNER_THAT_DOES_NOT_CONTROL(Reason.OWNER_NOT_CONTROLLING) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.owned(List.of(TestSandboxes.owner(test.sandboxes.sandbox(test.name, "box"), false)));
            }
        },
        OWNER_DELETED(Reason.OWNER_GONE, true) {
            @Override
            String token(PodAuthenticatorTest test) {
                String token = test.sandboxes.token(test.sandboxes.pod(test.name, "box"));
                test.sandboxes.deleteSandbox(test.name);
                return token;
            }
        },
        OWNER_BEING_DELETED(Reason.OWNER_GONE) {
            @Override
            String token(PodAuthenticatorTest test) {
                GenericKubernetesResource sandbox =
                        test.sandboxes.unsaved(test.name, Map.of("openshell.ai/sandbox-id", "box"));
                sandbox.getMetadata().setFinalizers(List.of("example.com/wait"));
                String token = test.owned(List.of(TestSandboxes.owner(
                        test.sandboxes
                                .resources("v1beta1")
                                .inNamespace(test.sandboxes.namespace())
                                .resource(sandbox)
                                .create(),
                        true)));
                test.sandboxes.deleteSandbox(test.name);
                return token;
            }
        },
        OWNER_RECREATED_UNDER_ITS_NAME(Reason.OWNER_REPLACED, true) {
            @Override
            String token(PodAuthenticatorTest test) {
                String token = test.sandboxes.token(test.sandboxes.pod(test.name, "box"));
                test.sandboxes.deleteSandbox(test.name);
                test.sandboxes.sandbox(test.name, "box");
                return token;
            }
        },
        OWNER_OF_ANOTHER_ID(Reason.OWNER_LABEL) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.owned(List.of(TestSandboxes.owner(test.sandboxes.sandbox(test.name, "another"), true)));
            }
        },
        OWNER_WITHOUT_ID(Reason.OWNER_LABEL) {
            @Override
            String token(PodAuthenticatorTest test) {
                return test.owned(List.of(TestSandboxes.owner(test.sandboxes.sandbox(test.name, Map.of()), true)));
            }
        };

        private final Reason reason;
        private final boolean ours;

        Row(Reason reason) {
            this(reason, false);
        }

        /**
         * @param ours whether it takes a cluster of our own: its key, a node that is none, or an owner that goes and leaves its
         *     pod behind
         */
        Row(Reason reason, boolean ours) {
            this.reason = reason;
            this.ours = ours;
        }

        abstract String token(PodAuthenticatorTest test);
    }

    private ApiServer own() {
        return (ApiServer) server;
    }

    private PodResource pod() {
        return server.admin().pods().inNamespace(sandboxes.namespace()).withName(name);
    }

    private String inPhase(String phase) {
        String token = sandboxes.token(sandboxes.pod(name, "box"));
        pod().editStatus(running -> new PodBuilder(running)
                .editStatus()
                .withPhase(phase)
                .endStatus()
                .build());
        return token;
    }

    private <T extends HasMetadata> T create(T object) {
        return server.admin().resource(object).create();
    }

    private String boundTo(HasMetadata object) {
        return sandboxes.token(
                sandboxes.namespace(), TestSandboxes.ACCOUNT, object, TestSandboxes.AUDIENCE, Duration.ofHours(1));
    }

    /** A token of a pod's that is right but for one claim, as if the API server had made it. */
    private String said(UnaryOperator<JWTClaimsSet.Builder> claims) {
        return ResignedTokens.asTheCluster(own()).change(sandboxes.token(sandboxes.pod(name, "box")), claims);
    }

    private String ended(Duration ago) {
        return said(claims -> claims.expirationTime(Date.from(Instant.now().minus(ago))));
    }

    private String accountUid() {
        return server.admin()
                .serviceAccounts()
                .inNamespace(sandboxes.namespace())
                .withName(TestSandboxes.ACCOUNT)
                .get()
                .getMetadata()
                .getUid();
    }

    private String ofSecondAccount() {
        return sandboxes.token(sandboxes.pod(
                name,
                "second-account",
                Map.of("openshell.io/sandbox-id", "box"),
                List.of(TestSandboxes.owner(sandboxes.sandbox(name, "box"), true))));
    }

    private void deleteSecondAccount() {
        server.admin()
                .serviceAccounts()
                .inNamespace(sandboxes.namespace())
                .withName("second-account")
                .delete();
    }

    /** The token in a Secret, as every account had one once: without an end, and for whoever asks. */
    private String legacy(List<String> audiences) {
        String token = said(claims -> new JWTClaimsSet.Builder()
                .issuer("kubernetes/serviceaccount")
                .subject("system:serviceaccount:" + sandboxes.namespace() + ":" + TestSandboxes.ACCOUNT)
                .audience(audiences)
                .claim("kubernetes.io/serviceaccount/namespace", sandboxes.namespace())
                .claim("kubernetes.io/serviceaccount/secret.name", name)
                .claim("kubernetes.io/serviceaccount/service-account.name", TestSandboxes.ACCOUNT)
                .claim("kubernetes.io/serviceaccount/service-account.uid", accountUid()));
        var _ = create(new SecretBuilder()
                .withNewMetadata()
                .withName(name)
                .withNamespace(sandboxes.namespace())
                .addToAnnotations("kubernetes.io/service-account.name", TestSandboxes.ACCOUNT)
                .endMetadata()
                .withType("kubernetes.io/service-account-token")
                .addToStringData("token", token)
                .build());
        return token;
    }

    private String token(Pod pod, String audience) {
        return sandboxes.token(sandboxes.namespace(), TestSandboxes.ACCOUNT, pod, audience, Duration.ofHours(1));
    }

    private String annotated(Map<String, String> annotations) {
        return sandboxes.token(sandboxes.pod(
                name,
                TestSandboxes.ACCOUNT,
                annotations,
                List.of(TestSandboxes.owner(sandboxes.sandbox(name, "box"), true))));
    }

    /** The token of a pod whose owner says something else of itself than the Sandbox it is. */
    private String ownedBy(Consumer<GenericKubernetesResource> change) {
        GenericKubernetesResource sandbox = sandboxes.sandbox(name, "box");
        change.accept(sandbox);
        return owned(List.of(TestSandboxes.owner(sandbox, true)));
    }

    private String owned(List<io.fabric8.kubernetes.api.model.OwnerReference> owners) {
        return sandboxes.token(
                sandboxes.pod(name, TestSandboxes.ACCOUNT, Map.of("openshell.io/sandbox-id", "box"), owners));
    }

    @ParameterizedTest
    @MethodSource("rows")
    void everyCheckFailsAlone(Row row) {
        String token = row.token(this);
        assertThat(authenticate(token)).isInstanceOfSatisfying(Outcome.Rejected.class, no -> {
            assertThat(no.reason()).isEqualTo(row.reason);
            assertThat(no.detail()).doesNotContain(token);
            assertThat(no.reason().text()).as("what the caller sees").isEqualTo(Reason.POD_GONE.text());
            assertThat(no.reason().statusCode()).isEqualTo(Reason.POD_GONE.statusCode());
        });
    }

    static Stream<Row> rows() {
        return Stream.of(Row.values()).filter(row -> !row.ours || !SharedApiServer.Resolver.isGiven());
    }

    /** Whose clock is right is for the API server to say, which grants a minute as we do. */
    @Test
    void aTokenThatHasJustEndedIsForTheServerToJudge() {
        assumeFalse(SharedApiServer.Resolver.isGiven(), "the cluster's key is not ours");
        assertThat(authenticate(ended(Duration.ofSeconds(5)))).isInstanceOf(Outcome.Authenticated.class);
    }

    @Test
    void anotherMethodIsNotForPods() {
        String token = sandboxes.token(sandboxes.pod(name, "box"));
        assertThat(authenticator.authenticate(
                        new Credential("bearer", token, "/openshell.v1.OpenShell/GetSandboxConfig")))
                .isEqualTo(new Outcome.Declined());
    }

    @Test
    void withoutRequireOwnerThePodsWordWillDo() throws IOException {
        authenticator.close();
        authenticator = connect(false);
        assertThat(authenticate(owned(List.of())))
                .isInstanceOfSatisfying(
                        Outcome.Authenticated.class,
                        outcome -> assertThat(((Principal.ServiceAccount) outcome.principal()).ownerUid())
                                .isEmpty());
    }
}
