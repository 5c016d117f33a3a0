/** The gRPC services of the issuer, and what they have in common: refusals, audit, the minting of tokens. */
@NullMarked
package io.sallyport.issuer.service;

import org.jspecify.annotations.NullMarked;
