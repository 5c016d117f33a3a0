/** A client without manners: HTTP/2 frame by frame, protobuf byte by byte, tokens of every kind of wrong. */
@NullMarked
package io.sallyport.e2e.wire;

import org.jspecify.annotations.NullMarked;
