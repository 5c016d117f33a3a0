package io.sallyport.policy;

import com.google.protobuf.ByteString;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.DescriptorProtos.MethodDescriptorProto;
import com.google.protobuf.DescriptorProtos.ServiceDescriptorProto;
import com.google.protobuf.TextFormat;
import com.google.protobuf.UnknownFieldSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A gateway that exists only as descriptors, with a request message that has a field of every kind. */
final class TestGateway {
    private static final int AUTHORIZATION = 50000;

    private static final String MESSAGES = """
            name: "gateway.proto" package: "test" syntax: "proto3"
            message_type {
              name: "Request"
              field { name: "sandbox_id" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
              field { name: "name" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
              field { name: "workspace" number: 3 label: LABEL_OPTIONAL type: TYPE_STRING }
              field { name: "flag" number: 4 label: LABEL_OPTIONAL type: TYPE_BOOL }
              field { name: "count" number: 5 label: LABEL_OPTIONAL type: TYPE_INT32 }
              field { name: "tags" number: 6 label: LABEL_REPEATED type: TYPE_STRING }
              field { name: "items" number: 7 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".test.Inner" }
              field { name: "inner" number: 8 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".test.Inner" }
              field { name: "labels" number: 9 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".test.Request.LabelsEntry" }
              field { name: "raw" number: 10 label: LABEL_OPTIONAL type: TYPE_BYTES }
              field { name: "color" number: 11 label: LABEL_OPTIONAL type: TYPE_ENUM type_name: ".test.Color" }
              field { name: "by_name" number: 12 label: LABEL_OPTIONAL type: TYPE_STRING oneof_index: 0 }
              field { name: "everywhere" number: 13 label: LABEL_OPTIONAL type: TYPE_BOOL oneof_index: 0 }
              field { name: "zigzag" number: 14 label: LABEL_OPTIONAL type: TYPE_SINT32 }
              field { name: "fixed" number: 15 label: LABEL_OPTIONAL type: TYPE_FIXED32 }
              field { name: "maybe" number: 16 label: LABEL_OPTIONAL type: TYPE_BOOL oneof_index: 2 proto3_optional: true }
              field { name: "hello" number: 17 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".test.Inner" oneof_index: 1 }
              field { name: "other" number: 18 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".test.Inner" oneof_index: 1 }
              field { name: "nothing" number: 19 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".test.Response" oneof_index: 1 }
              field { name: "big" number: 20 label: LABEL_OPTIONAL type: TYPE_UINT64 }
              field { name: "numbers" number: 21 label: LABEL_REPEATED type: TYPE_INT32 }
              field { name: "doubles" number: 22 label: LABEL_REPEATED type: TYPE_DOUBLE }
              field { name: "huge" number: 23 label: LABEL_OPTIONAL type: TYPE_SFIXED64 }
              field { name: "far" number: 33 label: LABEL_OPTIONAL type: TYPE_STRING }
              field { name: "self" number: 300 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".test.Request" }
              field { name: "zigzag_long" number: 301 label: LABEL_OPTIONAL type: TYPE_SINT64 }
              field { name: "unsigned" number: 302 label: LABEL_OPTIONAL type: TYPE_UINT32 }
              nested_type {
                name: "LabelsEntry"
                field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
                field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
                options { map_entry: true }
              }
              oneof_decl { name: "choice" }
              oneof_decl { name: "payload" }
              oneof_decl { name: "_maybe" }
            }
            message_type {
              name: "Inner"
              field { name: "sandbox_id" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
              field { name: "note" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
            }
            message_type { name: "Response" }
            enum_type { name: "Color" value { name: "NONE" number: 0 } value { name: "RED" number: 1 } }
            """;

    private final Map<String, String> modes = new LinkedHashMap<>();
    private boolean streaming;

    /** Adds {@code test.Gateway/METHOD} with an auth mode; "" for a method that declares none. */
    TestGateway method(String name, String mode) {
        modes.put(name, mode);
        return this;
    }

    /** Makes every method's client stream. */
    TestGateway streaming() {
        streaming = true;
        return this;
    }

    byte[] descriptorSet() {
        FileDescriptorSet.Builder set = FileDescriptorSet.newBuilder();
        try {
            TextFormat.merge(MESSAGES, set.addFileBuilder());
        } catch (TextFormat.ParseException e) {
            throw new IllegalStateException(e);
        }
        ServiceDescriptorProto.Builder service =
                set.getFileBuilder(0).addServiceBuilder().setName("Gateway");
        modes.forEach((name, mode) -> service.addMethod(method(name, mode.isEmpty() ? null : option(mode))));
        return set.build().toByteArray();
    }

    /** One method whose option is these bytes, however wrong. */
    byte[] descriptorSet(String name, UnknownFieldSet.Field option) {
        FileDescriptorSet set;
        try {
            set = FileDescriptorSet.parseFrom(descriptorSet());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        FileDescriptorSet.Builder builder = set.toBuilder();
        builder.getFileBuilder(0).getServiceBuilder(0).addMethod(method(name, option));
        return builder.build().toByteArray();
    }

    Path write(Path directory) {
        try {
            return Files.write(directory.resolve("gateway.pb"), descriptorSet());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The option as the gateway writes it: a message whose field 1 is the mode. */
    static UnknownFieldSet.Field option(String... modes) {
        UnknownFieldSet.Field.Builder values = UnknownFieldSet.Field.newBuilder();
        for (String mode : modes) {
            values.addLengthDelimited(
                    ByteString.copyFrom(Wire.EMPTY.text(1, mode).text(2, "user").bytes()));
        }
        return values.build();
    }

    private MethodDescriptorProto method(String name, UnknownFieldSet.@Nullable Field option) {
        MethodDescriptorProto.Builder method = MethodDescriptorProto.newBuilder()
                .setName(name)
                .setInputType(".test.Request")
                .setOutputType(".test.Response")
                .setClientStreaming(streaming);
        if (option != null) {
            method.getOptionsBuilder()
                    .setUnknownFields(UnknownFieldSet.newBuilder()
                            .addField(AUTHORIZATION, option)
                            .build());
        }
        return method.build();
    }
}
