/** The commands that show, propose and check a policy. */
@NullMarked
package io.sallyport.policy.cli;

import org.jspecify.annotations.NullMarked;
