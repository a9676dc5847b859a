declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** Identifies a collection for ever; names may change, ids are never reused. */
export type CollectionId = Branded<number, 'CollectionId'>;
/** Identifies a field within its collection; never reused after a drop. */
export type FieldId = Branded<number, 'FieldId'>;
/** Identifies a segment in the database; drawn from the coordinator's counter. */
export type SegmentId = Branded<number, 'SegmentId'>;
/** One durable decision to build, merge or import; retried as attempts. */
export type JobId = Branded<number, 'JobId'>;

/** Brands a number that came from the catalog. */
export const collectionId = (value: number): CollectionId => value as CollectionId;
/** Brands a number that came from a schema. */
export const fieldId = (value: number): FieldId => value as FieldId;
/** Brands a number that came from the segment counter. */
export const segmentId = (value: number): SegmentId => value as SegmentId;
/** Brands a number that came from the job counter. */
export const jobId = (value: number): JobId => value as JobId;
