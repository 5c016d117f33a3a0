package io.sallyport.issuer.service;

import io.grpc.stub.StreamObserver;
import io.sallyport.api.registry.v1.DeleteSandboxRequest;
import io.sallyport.api.registry.v1.GetSandboxRequest;
import io.sallyport.api.registry.v1.ListSandboxesRequest;
import io.sallyport.api.registry.v1.ListSandboxesResponse;
import io.sallyport.api.registry.v1.ListTokenFilesRequest;
import io.sallyport.api.registry.v1.ListTokenFilesResponse;
import io.sallyport.api.registry.v1.MintBootstrapTokenRequest;
import io.sallyport.api.registry.v1.MintBootstrapTokenResponse;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.SandboxName;
import io.sallyport.issuer.store.SandboxRecord;
import io.sallyport.issuer.store.SandboxStore;
import io.sallyport.issuer.store.SandboxStore.Registration;
import io.sallyport.issuer.store.StoreUnavailableException;
import io.sallyport.issuer.store.TokenFile;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;

/** Who may exist. Whoever can open the socket may call: statuses and texts may therefore say everything. */
public final class RegistryService extends SandboxRegistryGrpc.SandboxRegistryImplBase {
    private static final String CALLER = "registry";
    private static final int DEFAULT_PAGE = 100;
    private static final int MAX_PAGE = 1000;

    private final Calls calls;
    private final SandboxStore store;
    private final TokenMint mint;
    private final InstantSource clock;

    public RegistryService(Calls calls, SandboxStore store, TokenMint mint, InstantSource clock) {
        this.calls = calls;
        this.store = store;
        this.mint = mint;
        this.clock = clock;
    }

    @Override
    public void registerSandbox(RegisterSandboxRequest request, StreamObserver<Sandbox> observer) {
        calls.answer(SandboxRegistryGrpc.getRegisterSandboxMethod().getFullMethodName(), CALLER, observer, call -> {
            call.sandboxAsked(request.getId());
            SandboxId id = Messages.sandboxId(request.getId());
            SandboxName name = name(request, id);
            Registration outcome = store.register(id, name, SandboxRecord.Source.REGISTRY, clock.instant());
            return Messages.sandbox(
                    switch (outcome) {
                        case Registration.Registered(SandboxRecord record) -> record;
                        case Registration.IdTaken(SandboxRecord holder) ->
                            throw new RejectedException(
                                    Reason.RECORD_TAKEN,
                                    id + " is registered as " + holder.name() + ", not as " + name);
                        case Registration.NameTaken(SandboxRecord holder) ->
                            throw new RejectedException(Reason.RECORD_TAKEN, name + " is the name of " + holder.id());
                        case Registration.NameResting(SandboxRecord tombstone) ->
                            throw new RejectedException(
                                    Reason.RECORD_RESTING,
                                    name + " was the name of " + tombstone.id() + ", and is free from "
                                            + tombstone.deleted().orElseThrow().plus(SandboxStore.NAME_REST));
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
            if (request.getPageSize() < 0) {
                throw new RejectedException(Reason.REQUEST_INVALID, "page_size is negative");
            }
            int limit = request.getPageSize() == 0 ? DEFAULT_PAGE : Math.min(request.getPageSize(), MAX_PAGE);
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
            call.minted(Reason.BOOTSTRAP_MINTED, minted);
            return MintBootstrapTokenResponse.newBuilder()
                    .setToken(minted.token())
                    .setExpires(Messages.timestamp(minted.claims().expiresAt()))
                    .setLineage(minted.lineage().id())
                    .build();
        });
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
