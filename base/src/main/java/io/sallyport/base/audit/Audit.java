package io.sallyport.base.audit;

/** Where decisions are reported. Reporting never blocks, never throws, and never changes the decision. */
@FunctionalInterface
public interface Audit {
    void record(AuditEvent event);
}
