package io.sallyport.extauthz.envoy;

/**
 * Parts of an {@code envoy.service.auth.v3.CheckResponse}. Field numbers are those of {@code external_auth.proto} and of
 * what it imports.
 */
public final class CheckResponses {
    private static final int RESPONSE_STATUS = 1;
    private static final int RESPONSE_DENIED = 2;
    private static final int RESPONSE_OK = 3;
    private static final int RESPONSE_DYNAMIC_METADATA = 4;
    /** {@code google.rpc.Status}. */
    private static final int STATUS_CODE = 1;

    private static final int DENIED_STATUS = 1;
    private static final int DENIED_HEADERS = 2;
    private static final int DENIED_BODY = 3;
    private static final int HTTP_STATUS_CODE = 1;
    private static final int OK_HEADERS = 2;
    private static final int OK_HEADERS_TO_REMOVE = 5;
    /** {@code core.v3.HeaderValueOption}. */
    private static final int OPTION_HEADER = 1;

    private static final int OPTION_APPEND_ACTION = 3;
    private static final int HEADER_KEY = 1;
    private static final int HEADER_VALUE = 2;

    private static final long OVERWRITE_IF_EXISTS_OR_ADD = 2;

    private CheckResponses() {}

    /** An {@code OkHttpResponse}: the request goes on, with headers changed. */
    public record Ok(Fields fields) {
        /** Changes nothing. */
        public static final Ok UNCHANGED = new Ok(Fields.NONE);

        /** Sets a header over whatever came under that name. */
        public Ok set(String header, String value) {
            return new Ok(fields.with(OK_HEADERS, overwrite(header, value)));
        }

        public Ok remove(String header) {
            return new Ok(fields.with(OK_HEADERS_TO_REMOVE, header));
        }
    }

    /** A {@code DeniedHttpResponse}: what the client gets instead. */
    public record Denied(Fields fields) {
        public static Denied of(int httpStatus, String body) {
            return new Denied(Fields.NONE
                    .with(DENIED_STATUS, Fields.NONE.with(HTTP_STATUS_CODE, httpStatus))
                    .with(DENIED_BODY, body));
        }

        public Denied set(String header, String value) {
            return new Denied(fields.with(DENIED_HEADERS, overwrite(header, value)));
        }
    }

    /** A whole answer that lets the request go on. */
    public static Fields allows(Ok ok, DynamicMetadata said) {
        return goesOn(ok, said).with(RESPONSE_STATUS, Fields.NONE);
    }

    /** A whole answer that does not. */
    public static Fields denies(int statusCode, Denied denied) {
        return Fields.NONE
                .with(RESPONSE_STATUS, Fields.NONE.with(STATUS_CODE, statusCode))
                .with(RESPONSE_DENIED, denied.fields());
    }

    /** The part of an allowing answer that changes headers. */
    public static Fields goesOn(Ok ok) {
        return Fields.NONE.with(RESPONSE_OK, ok.fields());
    }

    /** The part of an allowing answer that does both. */
    public static Fields goesOn(Ok ok, DynamicMetadata said) {
        return goesOn(ok).with(RESPONSE_DYNAMIC_METADATA, said.toFields());
    }

    /** The part of an allowing answer that tells other filters something. */
    public static Fields says(DynamicMetadata said) {
        return Fields.NONE.with(RESPONSE_DYNAMIC_METADATA, said.toFields());
    }

    private static Fields overwrite(String name, String value) {
        return Fields.NONE
                .with(OPTION_HEADER, Fields.NONE.with(HEADER_KEY, name).with(HEADER_VALUE, value))
                .with(OPTION_APPEND_ACTION, OVERWRITE_IF_EXISTS_OR_ADD);
    }
}
