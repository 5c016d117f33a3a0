package io.sallyport.envoyconfig;

import com.github.xds.type.v3.TypedStruct;
import com.google.protobuf.Any;
import com.google.protobuf.BoolValue;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import com.google.protobuf.Struct;
import com.google.protobuf.UInt32Value;
import com.google.protobuf.Value;
import com.google.protobuf.util.Durations;

/** The small wrappers that Envoy's messages are full of. */
final class Protos {
    private Protos() {}

    /** Packs without a prefix of its own: {@code type.googleapis.com/} is what Envoy expects. */
    static Any any(Message message) {
        return Any.pack(message);
    }

    static UInt32Value uint32(int value) {
        return UInt32Value.of(value);
    }

    static BoolValue bool(boolean value) {
        return BoolValue.of(value);
    }

    /** A message by the name of its type: for what is newer than the message classes at hand. */
    static TypedStruct typed(String type, Value value) {
        return TypedStruct.newBuilder()
                .setTypeUrl("type.googleapis.com/" + type)
                .setValue(value.getStructValue())
                .build();
    }

    static Value object(String key, Value value) {
        return Value.newBuilder()
                .setStructValue(Struct.newBuilder().putFields(key, value))
                .build();
    }

    static Value text(String text) {
        return Value.newBuilder().setStringValue(text).build();
    }

    static Duration duration(java.time.Duration value) {
        return Durations.fromNanos(value.toNanos());
    }
}
