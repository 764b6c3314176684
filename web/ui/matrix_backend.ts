/** What the Matrix pages need of web/matrix; types only, the SDKs stay out of the pages' bundle. */
export type * from '../matrix/types';
