package io.sallyport.extauthz;

import io.sallyport.policy.MethodRule;

/** A method of the policy, and what every allowing answer about it says. */
final class OpenMethod {
    private final MethodRule rule;
    private final byte[] answer;

    /** @param answer the part of an allowing answer that is the same for all requests of this method */
    OpenMethod(MethodRule rule, byte[] answer) {
        this.rule = rule;
        this.answer = answer;
    }

    MethodRule rule() {
        return rule;
    }

    /** Shared, and never written to. */
    byte[] answer() {
        return answer;
    }

    @Override
    public String toString() {
        return "OpenMethod[" + rule.path() + "]";
    }
}
