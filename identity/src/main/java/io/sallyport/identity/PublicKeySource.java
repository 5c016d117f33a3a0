package io.sallyport.identity;

/** Where a verifier finds the public keys there are now. */
public interface PublicKeySource {
    /** The keys there are now; the same object until they change. Never blocks. */
    PublicKeys publicKeys();

    /**
     * Looks whether there are other keys by now, when a key was asked for that is not there. May read files, so not for an
     * event loop; may also do nothing, when it looked a moment ago.
     */
    void lookAgain();

    /** Keys that never change. */
    static PublicKeySource of(PublicKeys keys) {
        return new PublicKeySource() {
            @Override
            public PublicKeys publicKeys() {
                return keys;
            }

            @Override
            public void lookAgain() {}
        };
    }
}
