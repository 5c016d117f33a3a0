/** What the issuer knows for good: sandbox records, lineages, and where token files were written. */
@NullMarked
package io.sallyport.issuer.store;

import org.jspecify.annotations.NullMarked;
