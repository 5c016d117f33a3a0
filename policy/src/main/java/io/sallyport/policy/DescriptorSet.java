package io.sallyport.policy;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.DescriptorProtos.MethodOptions;
import com.google.protobuf.Descriptors.DescriptorValidationException;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.Descriptors.MethodDescriptor;
import com.google.protobuf.Descriptors.ServiceDescriptor;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnknownFieldSet;
import com.google.protobuf.WireFormat;
import io.sallyport.base.settings.Problems;
import io.sallyport.policy.MethodRule.Access;
import io.sallyport.policy.MethodRule.Streaming;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The methods of a gateway, read from what {@code protoc --descriptor_set_out --include_imports} wrote. */
final class DescriptorSet {
    /** {@code openshell.options.v1.authorization}, an extension of MethodOptions. */
    private static final int AUTHORIZATION = 50000;

    private static final int AUTH_MODE = 1;

    private final SortedMap<String, Method> methods;

    private DescriptorSet(SortedMap<String, Method> methods) {
        this.methods = methods;
    }

    /**
     * One method.
     *
     * @param mode the auth mode the gateway declared, in its own word; "" when it declared none that can be read
     */
    record Method(MethodDescriptor descriptor, String mode) {
        /** {@code package.Service/Method}, as the policy file writes it. */
        String name() {
            return descriptor.getService().getFullName() + "/" + descriptor.getName();
        }

        Access access() {
            return switch (mode) {
                case "sandbox" -> Access.SANDBOX;
                case "dual" -> Access.DUAL;
                case "bearer" -> Access.USER;
                case "unauthenticated" -> Access.UNAUTHENTICATED;
                default -> Access.CLOSED;
            };
        }

        Streaming streaming() {
            if (descriptor.isClientStreaming()) {
                return descriptor.isServerStreaming() ? Streaming.BIDI : Streaming.CLIENT;
            }
            return descriptor.isServerStreaming() ? Streaming.SERVER : Streaming.UNARY;
        }
    }

    /**
     * Reads a serialized {@code FileDescriptorSet}; what cannot be used is noted and left out.
     *
     * @param name stands in messages
     */
    static DescriptorSet parse(String name, byte[] bytes, Problems problems) {
        SortedMap<String, Method> methods = new TreeMap<>();
        FileDescriptorSet set;
        try {
            // No extension registry: the option is read from the unknown fields, whoever else may know it.
            set = FileDescriptorSet.parseFrom(bytes);
        } catch (InvalidProtocolBufferException e) {
            problems.add(name, "not a descriptor set; write one with protoc --descriptor_set_out --include_imports");
            return new DescriptorSet(methods);
        }
        if (set.getFileCount() == 0) {
            problems.add(name, "an empty descriptor set; write one with protoc --descriptor_set_out --include_imports");
        }
        Files files = new Files(name, set, problems);
        for (FileDescriptorProto proto : set.getFileList()) {
            FileDescriptor file = files.build(proto.getName());
            if (file == null) {
                continue;
            }
            for (ServiceDescriptor service : file.getServices()) {
                for (MethodDescriptor descriptor : service.getMethods()) {
                    Method method = new Method(descriptor, mode(descriptor));
                    if (methods.put(method.name(), method) != null) {
                        problems.add(name, method.name() + " is defined twice; keep one of the files");
                    }
                }
            }
        }
        return new DescriptorSet(methods);
    }

    /** By {@code package.Service/Method}. */
    SortedMap<String, Method> methods() {
        return methods;
    }

    /** The declared mode; "" when the option is missing or could be read in more than one way. */
    private static String mode(MethodDescriptor descriptor) {
        MethodOptions options = descriptor.toProto().getOptions();
        UnknownFieldSet.Field option = options.getUnknownFields().getField(AUTHORIZATION);
        List<ByteString> values = option.getLengthDelimitedList();
        if (values.size() != 1
                || !option.getVarintList().isEmpty()
                || !option.getFixed32List().isEmpty()
                || !option.getFixed64List().isEmpty()
                || !option.getGroupList().isEmpty()) {
            return "";
        }
        String mode = "";
        try {
            CodedInputStream input = values.getFirst().newCodedInput();
            for (int tag = input.readTag(); tag != 0; tag = input.readTag()) {
                if (WireFormat.getTagFieldNumber(tag) != AUTH_MODE) {
                    if (!input.skipField(tag)) {
                        return "";
                    }
                } else if (WireFormat.getTagWireType(tag) != WireFormat.WIRETYPE_LENGTH_DELIMITED || !mode.isEmpty()) {
                    return "";
                } else {
                    mode = input.readStringRequireUtf8();
                }
            }
        } catch (IOException e) {
            return "";
        }
        return mode;
    }

    /** Links the files of a set, in whatever order they stand in it. */
    private static final class Files {
        private final String name;
        private final Problems problems;
        private final Map<String, FileDescriptorProto> protos = new HashMap<>();
        private final Map<String, FileDescriptor> built = new HashMap<>();
        private final Set<String> failed = new HashSet<>();
        private final Set<String> underWay = new HashSet<>();

        Files(String name, FileDescriptorSet set, Problems problems) {
            this.name = name;
            this.problems = problems;
            for (FileDescriptorProto proto : set.getFileList()) {
                if (protos.putIfAbsent(proto.getName(), proto) != null) {
                    problems.add(name, "holds the file " + proto.getName() + " twice; keep one");
                }
            }
        }

        @Nullable FileDescriptor build(String file) {
            FileDescriptor known = built.get(file);
            if (known != null || failed.contains(file)) {
                return known;
            }
            FileDescriptorProto proto = protos.get(file);
            if (proto == null) {
                FileDescriptor wellKnown = WellKnown.FILES.get(file);
                if (wellKnown == null) {
                    failed.add(file);
                    problems.add(name, "imports " + file + ", which is not in it; write it with --include_imports");
                } else {
                    built.put(file, wellKnown);
                }
                return wellKnown;
            }
            if (!underWay.add(file)) {
                failed.add(file);
                problems.add(name, file + " imports itself");
                return null;
            }
            List<FileDescriptor> imports = new ArrayList<>();
            for (String dependency : proto.getDependencyList()) {
                FileDescriptor descriptor = build(dependency);
                if (descriptor == null) {
                    failed.add(file);
                    return null;
                }
                imports.add(descriptor);
            }
            try {
                FileDescriptor descriptor = FileDescriptor.buildFrom(proto, imports.toArray(new FileDescriptor[0]));
                built.put(file, descriptor);
                return descriptor;
            } catch (DescriptorValidationException | IllegalArgumentException e) {
                failed.add(file);
                problems.add(name, file + " is not valid: " + e.getMessage());
                return null;
            }
        }
    }

    /** The files that every protobuf runtime brings along, for sets written without them. */
    private static final class WellKnown {
        private static final Map<String, FileDescriptor> FILES = Map.ofEntries(
                entry(com.google.protobuf.AnyProto.getDescriptor()),
                entry(com.google.protobuf.ApiProto.getDescriptor()),
                entry(com.google.protobuf.DescriptorProtos.getDescriptor()),
                entry(com.google.protobuf.DurationProto.getDescriptor()),
                entry(com.google.protobuf.EmptyProto.getDescriptor()),
                entry(com.google.protobuf.FieldMaskProto.getDescriptor()),
                entry(com.google.protobuf.SourceContextProto.getDescriptor()),
                entry(com.google.protobuf.StructProto.getDescriptor()),
                entry(com.google.protobuf.TimestampProto.getDescriptor()),
                entry(com.google.protobuf.TypeProto.getDescriptor()),
                entry(com.google.protobuf.WrappersProto.getDescriptor()));

        private static Map.Entry<String, FileDescriptor> entry(FileDescriptor file) {
            return Map.entry(file.getName(), file);
        }
    }
}
