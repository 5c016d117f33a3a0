package io.sallyport.envoyconfig;

import com.google.protobuf.ByteString;
import com.google.protobuf.DescriptorProtos.DescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.DescriptorProtos.MethodDescriptorProto;
import com.google.protobuf.DescriptorProtos.MethodOptions;
import com.google.protobuf.DescriptorProtos.ServiceDescriptorProto;
import com.google.protobuf.UnknownFieldSet;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A made-up gateway with one method of every kind, and small limits. */
final class ProbePolicy {
    static final String SANDBOX = "/probe.v1.Probe/Sandbox";
    static final String DUAL = "/probe.v1.Probe/Dual";
    static final String LARGE = "/probe.v1.Probe/Large";
    static final String BRIEF = "/probe.v1.Probe/Brief";
    static final String ISSUER = "/probe.v1.Probe/Issuer";
    static final String BEGIN = "/probe.v1.Probe/Begin";
    static final String SANDBOX_SERVER_STREAM = "/probe.v1.Probe/SandboxServerStream";
    static final String SANDBOX_CLIENT_STREAM = "/probe.v1.Probe/SandboxClientStream";
    static final String SANDBOX_BIDI = "/probe.v1.Probe/SandboxBidi";
    static final String SANDBOX_TUNNEL = "/probe.v1.Probe/SandboxTunnel";
    static final String ISSUER_STREAM = "/probe.v1.Probe/IssuerStream";
    static final String USER = "/probe.v1.Probe/User";
    static final String USER_BIDI = "/probe.v1.Probe/UserBidi";
    static final String OPEN = "/probe.v1.Probe/Open";
    static final String OPERATOR = "/probe.v1.Probe/Operator";
    static final String UNDECLARED = "/probe.v1.Probe/Undeclared";

    static final int SANDBOX_BODY_LIMIT = 32 << 10;
    static final int LARGE_BODY_LIMIT = 512 << 10;

    private static final String RULES = """
            defaults: {body-limit: 32KiB, message-limit: 1MiB, max-duration: 20s}
            methods:
              probe.v1.Probe/Sandbox: {sandbox: {id: sandbox_id}}
              probe.v1.Probe/Dual: {sandbox: {id: sandbox_id}}
              probe.v1.Probe/Large: {sandbox: {id: sandbox_id}, body-limit: 512KiB}
              probe.v1.Probe/Brief: {sandbox: {id: sandbox_id}, max-duration: 700ms}
              probe.v1.Probe/Issuer: {sandbox: {id: sandbox_id}, served-by: issuer}
              probe.v1.Probe/Begin: {sandbox: none, reason: its credential says it, callers: service-account, served-by: issuer}
              probe.v1.Probe/SandboxServerStream: {sandbox: {id: sandbox_id}}
              probe.v1.Probe/SandboxClientStream: {sandbox: {id: sandbox_id}, message-limit: 1B}
              probe.v1.Probe/SandboxBidi: {sandbox: {id: sandbox_id}}
              probe.v1.Probe/SandboxTunnel: {sandbox: none, reason: its frames are bytes of a tunnel}
              probe.v1.Probe/IssuerStream: {sandbox: {id: sandbox_id}, served-by: issuer}
            """;

    private ProbePolicy() {}

    /** Writes descriptor set and rules into a directory, and returns the {@code policy:} section that names them. */
    static String write(Path directory) {
        try {
            Path descriptors =
                    Files.write(directory.resolve("probe.pb"), descriptors().toByteArray());
            Path rules = Files.writeString(directory.resolve("probe.yaml"), RULES);
            return "{rules: " + rules + ", descriptor-set: " + descriptors + "}";
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static FileDescriptorSet descriptors() {
        FileDescriptorProto.Builder file = FileDescriptorProto.newBuilder()
                .setName("probe.proto")
                .setPackage("probe.v1")
                .setSyntax("proto3")
                .addMessageType(DescriptorProto.newBuilder()
                        .setName("Message")
                        .addField(FieldDescriptorProto.newBuilder()
                                .setName("sandbox_id")
                                .setNumber(1)
                                .setType(FieldDescriptorProto.Type.TYPE_STRING)
                                .setLabel(FieldDescriptorProto.Label.LABEL_OPTIONAL)));
        file.addService(ServiceDescriptorProto.newBuilder()
                .setName("Probe")
                .addMethod(method(SANDBOX, "sandbox", false, false))
                .addMethod(method(DUAL, "dual", false, false))
                .addMethod(method(LARGE, "sandbox", false, false))
                .addMethod(method(BRIEF, "sandbox", false, false))
                .addMethod(method(ISSUER, "sandbox", false, false))
                .addMethod(method(BEGIN, "sandbox", false, false))
                .addMethod(method(SANDBOX_SERVER_STREAM, "sandbox", false, true))
                .addMethod(method(SANDBOX_CLIENT_STREAM, "dual", true, false))
                .addMethod(method(SANDBOX_BIDI, "sandbox", true, true))
                .addMethod(method(SANDBOX_TUNNEL, "sandbox", true, true))
                .addMethod(method(ISSUER_STREAM, "sandbox", true, true))
                .addMethod(method(USER, "bearer", false, false))
                .addMethod(method(USER_BIDI, "bearer", true, true))
                .addMethod(method(OPEN, "unauthenticated", false, false))
                .addMethod(method(OPERATOR, "operator", false, false))
                .addMethod(method(UNDECLARED, "", false, false)));
        return FileDescriptorSet.newBuilder().addFile(file).build();
    }

    private static MethodDescriptorProto method(String path, String mode, boolean client, boolean server) {
        MethodOptions.Builder options = MethodOptions.newBuilder();
        if (!mode.isEmpty()) {
            UnknownFieldSet authorization = UnknownFieldSet.newBuilder()
                    .addField(
                            1,
                            UnknownFieldSet.Field.newBuilder()
                                    .addLengthDelimited(ByteString.copyFromUtf8(mode))
                                    .build())
                    .build();
            options.setUnknownFields(UnknownFieldSet.newBuilder()
                    .addField(
                            50000,
                            UnknownFieldSet.Field.newBuilder()
                                    .addLengthDelimited(authorization.toByteString())
                                    .build())
                    .build());
        }
        return MethodDescriptorProto.newBuilder()
                .setName(path.substring(path.lastIndexOf('/') + 1))
                .setInputType(".probe.v1.Message")
                .setOutputType(".probe.v1.Message")
                .setClientStreaming(client)
                .setServerStreaming(server)
                .setOptions(options)
                .build();
    }
}
