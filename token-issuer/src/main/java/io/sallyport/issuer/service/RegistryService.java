package io.sallyport.issuer.service;

import io.grpc.stub.StreamObserver;
import io.sallyport.api.registry.v1.DeleteSandboxRequest;
import io.sallyport.api.registry.v1.GetSandboxRequest;
import io.sallyport.api.registry.v1.ListRevocationsRequest;
import io.sallyport.api.registry.v1.ListRevocationsResponse;
import io.sallyport.api.registry.v1.ListSandboxesRequest;
import io.sallyport.api.registry.v1.ListSandboxesResponse;
import io.sallyport.api.registry.v1.ListTokenFilesRequest;
import io.sallyport.api.registry.v1.ListTokenFilesResponse;
import io.sallyport.api.registry.v1.MintBootstrapTokenRequest;
import io.sallyport.api.registry.v1.MintBootstrapTokenResponse;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.api.registry.v1.RevokeRequest;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc;
import io.sallyport.api.registry.v1.SetSandboxStateRequest;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.MirroredSandbox.Resource;
import io.sallyport.issuer.store.RefreshRules;
import io.sallyport.issuer.store.Revocation;
import io.sallyport.issuer.store.Revocation.Subject;
import io.sallyport.issuer.store.SandboxName;
import io.sallyport.issuer.store.SandboxRecord;
import io.sallyport.issuer.store.SandboxStore;
import io.sallyport.issuer.store.SandboxStore.Registration;
import io.sallyport.issuer.store.StoreUnavailableException;
import io.sallyport.issuer.store.TokenFile;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/** Who may exist. Whoever can open the socket may call: statuses and texts may therefore say everything. */
public final class RegistryService extends SandboxRegistryGrpc.SandboxRegistryImplBase {
    private static final String CALLER = "registry";
    private static final int DEFAULT_PAGE = 100;
    private static final int MAX_PAGE = 1000;

    private final Calls calls;
    private final SandboxStore store;
    private final TokenMint mint;
    private final InstantSource clock;
    private final RefreshRules rules;
    private final Optional<Predicate<String>> mirrored;

    /**
     * @param rules say how long anything that is revoked could be accepted or renewed
     * @param mirrored the namespaces whose Sandbox resources are sandboxes; empty where sandboxes are made by calls
     */
    public RegistryService(
            Calls calls,
            SandboxStore store,
            TokenMint mint,
            InstantSource clock,
            RefreshRules rules,
            Optional<Predicate<String>> mirrored) {
        this.calls = calls;
        this.store = store;
        this.mint = mint;
        this.clock = clock;
        this.rules = rules;
        this.mirrored = mirrored;
    }

    @Override
    public void registerSandbox(RegisterSandboxRequest request, StreamObserver<Sandbox> observer) {
        calls.answer(SandboxRegistryGrpc.getRegisterSandboxMethod().getFullMethodName(), CALLER, observer, call -> {
            call.sandboxAsked(request.getId());
            SandboxId id = Messages.sandboxId(request.getId());
            SandboxName name = name(request, id);
            if (mirrored.isPresent()) {
                throw new RejectedException(
                        Reason.RECORD_MIRRORED, "make a Sandbox with the label openshell.ai/sandbox-id: " + id);
            }
            Registration outcome = store.register(id, name, SandboxRecord.Source.REGISTRY, clock.instant());
            return Messages.sandbox(
                    switch (outcome) {
                        case Registration.Registered(SandboxRecord record) -> record;
                        case Registration.IdTaken(SandboxRecord holder) ->
                            throw new RejectedException(
                                    Reason.RECORD_TAKEN,
                                    id + " is registered as "
                                            + holder.name()
                                                    .map(SandboxName::toString)
                                                    .orElse("nothing, by its Sandbox")
                                            + ", not as " + name);
                        case Registration.NameTaken(SandboxRecord holder) ->
                            throw new RejectedException(Reason.RECORD_TAKEN, name + " is the name of " + holder.id());
                        case Registration.NameResting(SandboxId last, Instant until) -> {
                            call.retryAfter(SandboxStore.SHORTEST_NAME_REST);
                            throw new RejectedException(
                                    Reason.RECORD_RESTING,
                                    name + " was the name of " + last
                                            + ", and is free once every ext-authz has heard of its end, at the latest from "
                                            + until.plus(SandboxStore.NAME_REST));
                        }
                        case Registration.IdDeleted(SandboxRecord tombstone) ->
                            throw new RejectedException(
                                    Reason.RECORD_DELETED,
                                    id + " at " + tombstone.deleted().orElseThrow());
                    });
        });
    }

    @Override
    public void deleteSandbox(DeleteSandboxRequest request, StreamObserver<Sandbox> observer) {
        calls.answer(SandboxRegistryGrpc.getDeleteSandboxMethod().getFullMethodName(), CALLER, observer, call -> {
            call.sandboxAsked(request.getId());
            SandboxId id = Messages.sandboxId(request.getId());
            Optional<Resource> resource = mirrored.isPresent() ? store.resource(id) : Optional.empty();
            if (resource.isPresent() && mirrored.get().test(resource.get().namespace())) {
                throw new RejectedException(
                        Reason.RECORD_MIRRORED,
                        "delete the Sandbox " + resource.get() + "; until then \"sandbox stop\" holds " + id + " back");
            }
            return Messages.sandbox(store.delete(id, clock.instant()).orElseThrow(() -> unknown(id)));
        });
    }

    @Override
    public void getSandbox(GetSandboxRequest request, StreamObserver<Sandbox> observer) {
        calls.answer(SandboxRegistryGrpc.getGetSandboxMethod().getFullMethodName(), CALLER, observer, call -> {
            call.sandboxAsked(request.getId());
            return Messages.sandbox(find(Messages.sandboxId(request.getId())));
        });
    }

    @Override
    public void listSandboxes(ListSandboxesRequest request, StreamObserver<ListSandboxesResponse> observer) {
        calls.answer(SandboxRegistryGrpc.getListSandboxesMethod().getFullMethodName(), CALLER, observer, call -> {
            int limit = pageSize(request.getPageSize());
            Optional<SandboxId> after = request.getPageToken().isEmpty()
                    ? Optional.empty()
                    : Optional.of(Messages.sandboxId(request.getPageToken()));
            // One more than asked for, to know whether a next page would be empty.
            List<SandboxRecord> found = store.list(after, limit + 1, request.getIncludeDeleted());
            ListSandboxesResponse.Builder page = ListSandboxesResponse.newBuilder();
            found.stream().limit(limit).map(Messages::sandbox).forEach(page::addSandboxes);
            if (found.size() > limit) {
                page.setNextPageToken(found.get(limit - 1).id().value());
            }
            return page.build();
        });
    }

    @Override
    public void mintBootstrapToken(
            MintBootstrapTokenRequest request, StreamObserver<MintBootstrapTokenResponse> observer) {
        calls.answer(SandboxRegistryGrpc.getMintBootstrapTokenMethod().getFullMethodName(), CALLER, observer, call -> {
            call.sandboxAsked(request.getId());
            SandboxId id = Messages.sandboxId(request.getId());
            TokenMint.Minted minted = mint.bootstrap(id, tokenFile(request));
            call.minted(minted);
            return MintBootstrapTokenResponse.newBuilder()
                    .setToken(minted.token())
                    .setExpires(Messages.timestamp(minted.expires()))
                    .setLineage(minted.lineage().id())
                    .build();
        });
    }

    @Override
    public void setSandboxState(SetSandboxStateRequest request, StreamObserver<Sandbox> observer) {
        calls.answer(SandboxRegistryGrpc.getSetSandboxStateMethod().getFullMethodName(), CALLER, observer, call -> {
            call.sandboxAsked(request.getId());
            SandboxId id = Messages.sandboxId(request.getId());
            boolean stopped = switch (request.getState()) {
                case SANDBOX_STATE_ACTIVE -> false;
                case SANDBOX_STATE_STOPPED -> true;
                default -> throw new RejectedException(Reason.REQUEST_INVALID, "state is neither active nor stopped");
            };
            SandboxRecord record =
                    store.setStopped(id, stopped, clock.instant()).orElseThrow(() -> unknown(id));
            if (record.state() == SandboxRecord.State.DELETED) {
                throw new RejectedException(
                        Reason.RECORD_DELETED, id + " at " + record.deleted().orElseThrow());
            }
            return Messages.sandbox(record);
        });
    }

    @Override
    public void revoke(RevokeRequest request, StreamObserver<io.sallyport.api.registry.v1.Revocation> observer) {
        calls.answer(SandboxRegistryGrpc.getRevokeMethod().getFullMethodName(), CALLER, observer, call -> {
            Subject subject = Messages.subject(request.getSubject());
            String reason = reason(request);
            Instant now = clock.instant();
            // What a tainted key has signed could have been made at any time, and could say anything of its end.
            Optional<Instant> until = subject instanceof Subject.Key ? Optional.empty() : rules.keptUntil(now);
            if (subject instanceof Subject.Sandbox(SandboxId id)) {
                call.sandboxAsked(id.value());
            }
            Revocation revoked = store.revoke(new Revocation(subject, reason, now, until))
                    .orElseThrow(() -> new RejectedException(Reason.RECORD_UNKNOWN, subject.name()));
            call.done(Reason.REVOKED, Messages.text(subject) + " because: " + reason);
            return Messages.revocation(revoked);
        });
    }

    @Override
    public void listRevocations(ListRevocationsRequest request, StreamObserver<ListRevocationsResponse> observer) {
        calls.answer(SandboxRegistryGrpc.getListRevocationsMethod().getFullMethodName(), CALLER, observer, call -> {
            int limit = pageSize(request.getPageSize());
            Optional<Subject> after = request.getPageToken().isEmpty()
                    ? Optional.empty()
                    : Optional.of(Messages.subject(request.getPageToken()));
            List<Revocation> found = store.revocations(after, limit + 1);
            ListRevocationsResponse.Builder page = ListRevocationsResponse.newBuilder();
            found.stream().limit(limit).map(Messages::revocation).forEach(page::addRevocations);
            if (found.size() > limit) {
                page.setNextPageToken(Messages.text(found.get(limit - 1).subject()));
            }
            return page.build();
        });
    }

    private static int pageSize(int asked) throws RejectedException {
        if (asked < 0) {
            throw new RejectedException(Reason.REQUEST_INVALID, "page_size is negative");
        }
        return asked == 0 ? DEFAULT_PAGE : Math.min(asked, MAX_PAGE);
    }

    private static String reason(RevokeRequest request) throws RejectedException {
        String reason = request.getReason();
        if (reason.isBlank()
                || reason.length() > Revocation.MAX_REASON
                || reason.chars().anyMatch(Character::isISOControl)) {
            throw new RejectedException(
                    Reason.REQUEST_INVALID, "say why, in 1 to " + Revocation.MAX_REASON + " printable characters");
        }
        return reason;
    }

    @Override
    public void listTokenFiles(ListTokenFilesRequest request, StreamObserver<ListTokenFilesResponse> observer) {
        calls.answer(SandboxRegistryGrpc.getListTokenFilesMethod().getFullMethodName(), CALLER, observer, call -> {
            call.sandboxAsked(request.getId());
            SandboxId id = Messages.sandboxId(request.getId());
            find(id);
            ListTokenFilesResponse.Builder files = ListTokenFilesResponse.newBuilder();
            for (TokenFile file : store.tokenFiles(id)) {
                files.addTokenFilesBuilder().setPath(file.path()).setLineage(file.lineage());
            }
            return files.build();
        });
    }

    private SandboxRecord find(SandboxId id) throws RejectedException, StoreUnavailableException {
        return store.find(id).orElseThrow(() -> unknown(id));
    }

    private static RejectedException unknown(SandboxId id) {
        return new RejectedException(Reason.RECORD_UNKNOWN, id.value());
    }

    private static SandboxName name(RegisterSandboxRequest request, SandboxId id) throws RejectedException {
        try {
            return SandboxName.of(request.getWorkspace(), request.getName().isEmpty() ? id.value() : request.getName());
        } catch (IllegalArgumentException e) {
            throw new RejectedException(Reason.REQUEST_INVALID, String.valueOf(e.getMessage()));
        }
    }

    private static Optional<String> tokenFile(MintBootstrapTokenRequest request) throws RejectedException {
        if (request.getTokenFile().isEmpty()) {
            return Optional.empty();
        }
        try {
            return Optional.of(new TokenFile(request.getTokenFile(), "").path());
        } catch (IllegalArgumentException e) {
            throw new RejectedException(Reason.REQUEST_INVALID, String.valueOf(e.getMessage()));
        }
    }
}
