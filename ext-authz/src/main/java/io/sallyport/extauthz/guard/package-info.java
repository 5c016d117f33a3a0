/**
 * The stream guard: Envoy hands over every long call ({@code ext_proc}), and it is held to its sandbox message by message,
 * and to its credential for as long as it lives.
 *
 * <p>Data flows one way: the wire ({@code ProcessMessage}) becomes whole messages ({@code MessageAssembler}), which are held
 * to the caller ({@code Pin}); a {@code GuardedStream} lets pieces go on, or ends. Beside it, {@code StreamLife} looks at all
 * open streams several times a second. What is known about sandboxes and lineages is asked of {@link
 * io.sallyport.extauthz.guard.Owners} and {@link io.sallyport.extauthz.guard.LineageSource}.
 */
@NullMarked
package io.sallyport.extauthz.guard;

import org.jspecify.annotations.NullMarked;
