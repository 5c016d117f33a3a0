package io.sallyport.extauthz.guard;

import io.sallyport.base.Reason;
import java.util.Objects;

/** Whether the sandbox behind a token may go on. */
public sealed interface Owner {
    /**
     * It may: the token counts and the sandbox lives, under this name.
     *
     * @param name "" for a sandbox that has none yet
     */
    record Living(String id, String workspace, String name) implements Owner {
        public Living {
            Objects.requireNonNull(id, "id is null");
            Objects.requireNonNull(workspace, "workspace is null");
            Objects.requireNonNull(name, "name is null");
        }
    }

    /**
     * It may not.
     *
     * @param detail for the audit log
     */
    record Barred(Reason reason, String detail) implements Owner {
        public Barred {
            Objects.requireNonNull(reason, "reason is null");
            Objects.requireNonNull(detail, "detail is null");
        }
    }

    /**
     * Nobody can tell at this moment.
     *
     * @param cause for the audit log
     */
    record Unsure(String cause) implements Owner {
        public Unsure {
            Objects.requireNonNull(cause, "cause is null");
        }
    }
}
