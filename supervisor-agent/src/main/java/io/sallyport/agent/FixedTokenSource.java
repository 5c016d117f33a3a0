package io.sallyport.agent;

/** A token that was handed over at start and stays. */
public final class FixedTokenSource implements TokenSource {
    private final String token;

    /** @throws IllegalArgumentException when it is not a bearer token */
    public FixedTokenSource(String token) {
        if (!TokenText.isToken(token)) {
            throw new IllegalArgumentException("not a bearer token");
        }
        this.token = token;
    }

    @Override
    public String token() {
        return token;
    }

    @Override
    public String toString() {
        return EnvironmentNames.SANDBOX_TOKEN;
    }
}
