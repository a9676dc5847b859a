/**
 * The one table of failures. `kind` says what the caller should do, `code` what happened, `details`
 * are typed per code. Every surface (client, HTTP, CLI, docs) derives from this table.
 */
export type ErrorKind =
  | 'invalid'
  | 'not_found'
  | 'already_exists'
  | 'conflict'
  | 'moved'
  | 'not_ready'
  | 'exhausted'
  | 'deadline'
  | 'cancelled'
  | 'unavailable'
  | 'denied'
  | 'corrupt'
  | 'internal';

type Value = string | number | bigint | boolean | undefined | readonly (string | number)[];

interface Entry<D> {
  readonly kind: ErrorKind;
  /** HTTP status a server answers with. */
  readonly status: number;
  readonly text: (details: D) => string;
}

const entry = <D>(kind: ErrorKind, status: number, text: (details: D) => string): Entry<D> => ({
  kind,
  status,
  text,
});

const show = (value: Value): string => {
  if (Array.isArray(value)) return value.map((item) => `\`${item}\``).join(', ');
  return `\`${String(value)}\``;
};

/** `field=\`a\` row=\`3\``: the variable part of a text, last, undefined ones left out. */
const kv = (details: object): string =>
  Object.entries(details)
    .filter(([key, value]) => value !== undefined && key !== 'hint')
    .map(([key, value]) => `${key}=${show(value as Value)}`)
    .join(' ');

const hint = (details: { readonly hint?: string | undefined }): string =>
  details.hint === undefined ? '' : ` ${details.hint}`;

interface Cell {
  readonly field?: string | undefined;
  readonly row?: number | undefined;
  readonly expected?: string | undefined;
  readonly got?: string | undefined;
  readonly hint?: string | undefined;
}
interface Named {
  readonly name: string;
  readonly hint?: string | undefined;
}
interface Where {
  readonly path: string;
  readonly offset?: number | undefined;
  readonly why?: string | undefined;
}

const cell = (what: string) => (d: Cell) => `${what}.${hint(d)} ${kv(d)}`;

/** Every failure that ends a request. Add here, never invent a string elsewhere. */
export const errorTable = {
  // Rows and values
  dimension_mismatch: entry<Cell>('invalid', 400, cell('vector has the wrong dimension')),
  vector_not_finite: entry<Cell>('invalid', 400, cell('vector holds NaN or infinity')),
  wrong_type: entry<Cell>('invalid', 400, cell('value has the wrong type')),
  value_out_of_range: entry<Cell>('invalid', 400, cell('value is out of range')),
  value_too_long: entry<Cell>('invalid', 400, cell('value is too long')),
  value_not_allowed: entry<Cell>('invalid', 400, cell('value is not one of those allowed')),
  unknown_field: entry<Cell>('invalid', 400, cell('no such field')),
  missing_field: entry<Cell>('invalid', 400, cell('field is missing')),
  row_too_large: entry<Cell>('invalid', 400, cell('row is too large; a row has at most 768 KiB')),
  columns_ragged: entry<Cell>('invalid', 400, cell('columns differ in length')),
  duplicate_key: entry<Cell & { readonly key: string }>(
    'invalid',
    400,
    cell('the same key stands twice in one write'),
  ),
  key_exists: entry<{ readonly key: string; readonly row?: number | undefined }>(
    'already_exists',
    409,
    (d) =>
      'a row with this key exists; use upsert, or insert with ' +
      `onConflict: 'skip' | 'replace'. ${kv(d)}`,
  ),
  key_not_found: entry<{ readonly key: string; readonly hint?: string | undefined }>(
    'not_found',
    404,
    (d) => `no row has this key.${hint(d)} ${kv(d)}`,
  ),
  write_partial: entry<{
    readonly written: number;
    /** What each shard did: `0: 12 rows`, `1: key_exists`. */
    readonly shards: readonly string[];
    readonly idempotencyKey: string;
  }>(
    'conflict',
    409,
    (d) =>
      'some shards took their rows and others refused; mend the refused rows, then repeat with ' +
      `the same idempotency key. ${kv(d)}`,
  ),
  empty_write: entry<object>('invalid', 400, () => 'nothing to write: give at least one row'),
  // Requests
  invalid_argument: entry<Cell & { readonly argument: string }>(
    'invalid',
    400,
    cell('argument is not usable'),
  ),
  limit_out_of_range: entry<Cell>('invalid', 400, cell('limit is out of range')),
  filter_invalid: entry<{
    readonly why: string;
    readonly position?: number | undefined;
    readonly field?: string | undefined;
    readonly hint?: string | undefined;
  }>('invalid', 400, (d) => {
    const at = d.position === undefined ? '' : ` position=\`${d.position}\``;
    return `filter cannot be used: ${d.why}.${hint(d)}${at}`;
  }),
  filter_ambiguous: entry<Cell>(
    'invalid',
    400,
    cell('a JSON filter mixes operators and keys; write one of the two, or use the builder form'),
  ),
  empty_delete: entry<object>(
    'invalid',
    400,
    () =>
      'delete needs { ids: [...] } or a filter that says something; ' +
      'to remove every row use delete({ all: true })',
  ),
  schema_invalid: entry<Cell>('invalid', 400, cell('schema cannot be used')),
  request_too_large: entry<{ readonly bytes?: number | undefined; readonly bytesMax: number }>(
    'invalid',
    413,
    (d) => `request is too large; send the rows in several writes. ${kv(d)}`,
  ),
  idempotency_mismatch: entry<{ readonly idempotencyKey: string }>(
    'invalid',
    400,
    (d) => `this idempotency key was used for another write. ${kv(d)}`,
  ),
  idempotency_expired: entry<{ readonly idempotencyKey: string }>(
    'invalid',
    400,
    (d) =>
      'this idempotency key is older than the window of 15 minutes; read back, then write with ' +
      `a new key. ${kv(d)}`,
  ),
  timestamp_out_of_range: entry<{ readonly at: string; readonly hint?: string | undefined }>(
    'invalid',
    400,
    (d) => `this instant cannot be read.${hint(d)} ${kv(d)}`,
  ),
  // Names
  collection_not_found: entry<Named>(
    'not_found',
    404,
    (d) => `collection not found.${hint(d)} ${kv(d)}`,
  ),
  collection_exists: entry<Named>(
    'already_exists',
    409,
    (d) => `a collection of this name exists.${hint(d)} ${kv(d)}`,
  ),
  compaction_not_found: entry<{ readonly id: string }>(
    'not_found',
    404,
    (d) => `no such compaction; it ended long ago, or the server was started anew. ${kv(d)}`,
  ),
  schema_mismatch: entry<Named & { readonly differences: readonly string[] }>(
    'conflict',
    409,
    (d) =>
      `collection ${show(d.name)} has another schema: ${d.differences.join('; ')}. Open it with ` +
      `db.collection(${JSON.stringify(d.name)}), change it with db.alter, or use another name`,
  ),
  collection_dropped: entry<Named>('not_found', 404, (d) => `collection was dropped. ${kv(d)}`),
  handle_closed: entry<object>('invalid', 400, () => 'the database is closed; open it again'),
  // Time and load
  deadline_exceeded: entry<{
    readonly timeoutMs?: number | undefined;
    readonly idempotencyKey?: string | undefined;
  }>(
    'deadline',
    504,
    (d) =>
      'deadline exceeded; a write may or may not have happened: retry it with its ' +
      `idempotency key. ${kv(d)}`,
  ),
  cancelled: entry<{ readonly idempotencyKey?: string | undefined }>(
    'cancelled',
    499,
    (d) => `cancelled by the caller. ${kv(d)}`,
  ),
  write_unknown: entry<{ readonly idempotencyKey?: string | undefined; readonly why: string }>(
    'unavailable',
    503,
    (d) => `the write may or may not have happened: retry it with its idempotency key. ${kv(d)}`,
  ),
  exhausted: entry<{ readonly what: string; readonly retryAfterMs: number }>(
    'exhausted',
    429,
    (d) => `too much at once; wait, then retry. ${kv(d)}`,
  ),
  queue_full: entry<{ readonly what: string; readonly retryAfterMs: number }>(
    'exhausted',
    429,
    (d) => `a queue is full; wait, then retry. ${kv(d)}`,
  ),
  memory_budget: entry<{
    readonly neededBytes: number;
    readonly budgetBytes: number;
    readonly retryAfterMs: number;
  }>(
    'exhausted',
    429,
    (d) =>
      `the memory budget is used up; wait for flushes, or open with a larger { memory }. ${kv(d)}`,
  ),
  service_time_lag: entry<{ readonly lagMs: number }>(
    'not_ready',
    503,
    (d) => `the shard has not caught up with what this read demands. ${kv(d)}`,
  ),
  shard_recovering: entry<Named>('not_ready', 503, (d) => `the shard is recovering. ${kv(d)}`),
  channel_moved: entry<{ readonly vchannel: string; readonly term: number }>(
    'moved',
    503,
    (d) => `channel moved. ${kv(d)}`,
  ),
  schema_version_stale: entry<Named>('conflict', 409, (d) => `schema changed; retry. ${kv(d)}`),
  catalog_conflict: entry<Named>(
    'conflict',
    409,
    (d) => `the catalog changed meanwhile; retry.${hint(d)} ${kv(d)}`,
  ),
  unavailable: entry<{ readonly what: string; readonly hint?: string | undefined }>(
    'unavailable',
    503,
    (d) => `not reachable.${hint(d)} ${kv(d)}`,
  ),
  // Access
  unauthenticated: entry<{ readonly hint?: string | undefined }>(
    'denied',
    401,
    (d) => `a valid token is needed.${hint(d)}`,
  ),
  insecure_bind: entry<{ readonly host: string }>(
    'denied',
    403,
    (d) =>
      'refusing to listen beyond this machine without a token; pass --token or ' +
      `ELANUS_TOKEN. ${kv(d)}`,
  ),
  // Disks and folders
  folder_locked: entry<{ readonly folder: string; readonly pid?: number | undefined }>(
    'conflict',
    409,
    (d) =>
      'the folder is open in another process or thread; use it through one `elanus serve`, ' +
      `or close the other. ${kv(d)}`,
  ),
  file_not_found: entry<Where>('not_found', 404, (d) => `file not found. ${kv(d)}`),
  disk_full: entry<Where>(
    'exhausted',
    507,
    (d) => `the disk is full: nothing of this write was kept; free space, then retry. ${kv(d)}`,
  ),
  read_only: entry<Where>(
    'invalid',
    403,
    (d) => `the folder cannot be written; check its owner and permissions. ${kv(d)}`,
  ),
  io_error: entry<Where>('unavailable', 503, (d) => `the disk answered with an error. ${kv(d)}`),
  log_corrupt: entry<Where>(
    'corrupt',
    500,
    (d) => `the log is damaged; run \`elanus doctor\`, restore a backup. ${kv(d)}`,
  ),
  log_truncated: entry<{ readonly fromSeq: number; readonly firstSeq: number }>(
    'invalid',
    410,
    (d) => `the log no longer holds these records. ${kv(d)}`,
  ),
  log_regressed: entry<{ readonly expectedSeq: number; readonly lastSeq: number }>(
    'corrupt',
    500,
    (d) => `the log ends before records it once acknowledged; run \`elanus doctor\`. ${kv(d)}`,
  ),
  object_exists: entry<{ readonly name: string }>(
    'already_exists',
    409,
    (d) => `an object of this name exists. ${kv(d)}`,
  ),
  object_not_found: entry<{ readonly name: string }>(
    'not_found',
    404,
    (d) => `object not found. ${kv(d)}`,
  ),
  object_corrupt: entry<{ readonly name: string; readonly why: string }>(
    'corrupt',
    500,
    (d) => `an object is damaged; run \`elanus doctor\`. ${kv(d)}`,
  ),
  file_corrupt: entry<Where>(
    'corrupt',
    500,
    (d) => `a file is damaged; run \`elanus doctor\`. ${kv(d)}`,
  ),
  format_too_new: entry<{
    readonly what: string;
    readonly version: number;
    readonly supported: number;
  }>('corrupt', 500, (d) => `written by a newer Elanus; upgrade this one. ${kv(d)}`),
  revision_compacted: entry<{ readonly fromRevision: number; readonly compacted: number }>(
    'conflict',
    410,
    (d) => `this history is gone; list again, then watch. ${kv(d)}`,
  ),
  lease_expired: entry<{ readonly leaseId: string }>(
    'conflict',
    410,
    (d) => `the lease has ended. ${kv(d)}`,
  ),
  txn_too_large: entry<{ readonly operations: number; readonly operationsMax: number }>(
    'invalid',
    400,
    (d) => `too many operations in one transaction. ${kv(d)}`,
  ),
  txn_duplicate_key: entry<{ readonly key: string }>(
    'invalid',
    400,
    (d) => `the same key stands twice in one transaction. ${kv(d)}`,
  ),
  internal: entry<{ readonly why: string }>(
    'internal',
    500,
    (d) => `something that must not happen did; please report it. ${kv(d)}`,
  ),
} as const;

/** The stable name of a failure. */
export type ErrorCode = keyof typeof errorTable;

/** What a failure carries, typed by its code. */
export type ErrorDetails<C extends ErrorCode> = Parameters<(typeof errorTable)[C]['text']>[0];

const RETRYABLE: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  'conflict',
  'moved',
  'not_ready',
  'exhausted',
  'deadline',
  'unavailable',
]);
const MARK = Symbol.for('elanus.error');

/**
 * The one error class. Narrow with `isElanusError(e, code)`, not `instanceof`: errors cross
 * threads, processes and copies of this package.
 */
export class ElanusError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  readonly kind: ErrorKind;
  /** Whether the same call may succeed later; writes: with the same idempotency key. */
  readonly retryable: boolean;
  readonly details: ErrorDetails<C>;
  readonly [MARK] = true;

  constructor(code: C, details: ErrorDetails<C>, options?: { readonly cause?: unknown }) {
    const row = errorTable[code];
    const text = row.text as (details: ErrorDetails<C>) => string;
    super(text(details).trimEnd(), options);
    this.name = 'ElanusError';
    this.code = code;
    this.kind = row.kind;
    this.retryable = RETRYABLE.has(row.kind);
    this.details = details;
  }
}

/** Whether a thrown value is ours, and of this code when one is given. */
export function isElanusError<C extends ErrorCode = ErrorCode>(
  value: unknown,
  code?: C,
): value is ElanusError<C> {
  if (typeof value !== 'object' || value === null || !(MARK in value)) return false;
  return code === undefined || (value as ElanusError).code === code;
}

/** A failure as plain JSON, for threads and wires: no stack, no cause, nothing secret. */
export interface WireError {
  readonly code: ErrorCode;
  readonly details: Record<string, unknown>;
}

/** Turns any thrown value into its wire form; what is not ours becomes `internal`. */
export function toWireError(value: unknown): WireError {
  if (isElanusError(value)) {
    return { code: value.code, details: { ...(value.details as Record<string, unknown>) } };
  }
  const why = value instanceof Error ? value.message : String(value);
  return { code: 'internal', details: { why } };
}

/** The error a wire form stands for; unknown codes (a newer peer) become `internal`. */
export function fromWireError(wire: WireError): ElanusError {
  const code: ErrorCode = Object.hasOwn(errorTable, wire.code) ? wire.code : 'internal';
  const details = code === wire.code ? wire.details : { why: `unknown error code ${wire.code}` };
  return new ElanusError(code, details as ErrorDetails<ErrorCode>);
}
