/** Metadata of an Arrow field: the kind of column it is for us, `array:` and the element's kind. */
export const KIND_KEY = 'elanus.kind';

/** Metadata of an Arrow field: the id of the collection's field. */
export const ID_KEY = 'elanus.id';

/** Name of the column of row timestamps. */
export const TIMESTAMPS = '$ts';
