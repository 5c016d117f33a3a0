package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Pod;
import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import io.sallyport.identity.Principal;
import io.sallyport.identity.SandboxId;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Pods and a real API server, asked with the rights that ext-authz has and no others. */
@ExtendWith(SharedApiServer.class)
class PodAuthenticatorTest {
    private static final String METHOD = "/openshell.v1.OpenShell/IssueSandboxToken";
    private static final AtomicInteger NUMBERS = new AtomicInteger();

    private final ApiServer server;
    private TestSandboxes sandboxes;
    private TestSandboxes others;
    private PodAuthenticator authenticator;
    private final String name = "pod-" + NUMBERS.incrementAndGet();

    PodAuthenticatorTest(ApiServer server) {
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
                Optional.of(kubeconfig),
                TestSandboxes.AUDIENCE,
                Namespaces.exactly(sandboxes.namespace()),
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
                        new SandboxId("box-" + name))));
    }

    @Test
    void aSecondAllowedAccountWillDo() {
        sandboxes.account("second-account");
        Pod pod = sandboxes.pod(
                name,
                "second-account",
                Map.of("openshell.io/sandbox-id", "box-" + name),
                List.of(TestSandboxes.owner(sandboxes.sandbox(name, "box-" + name), true)));
        assertThat(authenticate(sandboxes.token(pod))).isInstanceOf(Outcome.Authenticated.class);
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
        ANOTHER_AUDIENCE(Reason.POD_TOKEN_AUDIENCE) {
            @Override
            String token(PodAuthenticatorTest test) {
                Pod pod = test.sandboxes.pod(test.name, "box");
                return test.token(pod, "https://kubernetes.default.svc");
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
        POD_HAS_RUN_TO_ITS_END(Reason.POD_ENDED) {
            @Override
            String token(PodAuthenticatorTest test) {
                Pod pod = test.sandboxes.pod(test.name, "box");
                String token = test.sandboxes.token(pod);
                test.server
                        .admin()
                        .pods()
                        .inNamespace(test.sandboxes.namespace())
                        .withName(test.name)
                        .editStatus(running -> new io.fabric8.kubernetes.api.model.PodBuilder(running)
                                .editStatus()
                                .withPhase("Failed")
                                .endStatus()
                                .build());
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
                test.server
                        .admin()
                        .pods()
                        .inNamespace(test.sandboxes.namespace())
                        .withName(test.name)
                        .edit(pod -> new io.fabric8.kubernetes.api.model.PodBuilder(pod)
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
        OWNER_DELETED(Reason.OWNER_GONE) {
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
        OWNER_RECREATED_UNDER_ITS_NAME(Reason.OWNER_REPLACED) {
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

        Row(Reason reason) {
            this.reason = reason;
        }

        abstract String token(PodAuthenticatorTest test);
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
        return Stream.of(Row.values());
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
        assertThat(authenticate(owned(List.of()))).isInstanceOf(Outcome.Authenticated.class);
    }
}
