/** What an operator types: keys, sandboxes, tokens. Tokens go into files and pipes, and nowhere else. */
@NullMarked
package io.sallyport.issuer.cli;

import org.jspecify.annotations.NullMarked;
