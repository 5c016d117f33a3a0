/** YAML settings: every mistake reported at once, each with its place and what would be right. */
@NullMarked
package io.sallyport.base.settings;

import org.jspecify.annotations.NullMarked;
