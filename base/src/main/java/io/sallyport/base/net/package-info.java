/** Where a server listens and where a client calls: a Unix socket, or TCP on loopback or with TLS. */
@NullMarked
package io.sallyport.base.net;

import org.jspecify.annotations.NullMarked;
