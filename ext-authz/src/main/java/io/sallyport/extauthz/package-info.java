/**
 * Envoy's question answered: who is calling, may they call this, and do they mean themselves.
 *
 * <p>Data flows one way: the wire ({@code CheckCall}) becomes facts (caller, record, references), facts become a
 * {@code Decision}, a decision becomes bytes of the wire ({@code Answers}).
 */
@NullMarked
package io.sallyport.extauthz;

import org.jspecify.annotations.NullMarked;
