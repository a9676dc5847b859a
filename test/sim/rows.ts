/** The rows that simulations write: what each holds follows from its key and its write. */
import { collection, t, type Collection, type Db } from '../../packages/client/src/index.ts';
import { isElanusError } from '../../packages/core/src/index.ts';

const DIM = 4;
/** The collection's name. */
export const NAME = 'rows';

const definitionOf = (shards: number) =>
  collection(
    NAME,
    {
      id: t.int64({ primary: true, as: 'number' }),
      tag: t.int64({ as: 'number' }),
      text: t.varchar({ maxLength: 256 }),
      vec: t.vector(DIM, { metric: 'l2' }),
    },
    { shards },
  );
type Fields = ReturnType<typeof definitionOf> extends { readonly fields: infer S } ? S : never;

/** A handle on them. Fields that were added later are not in its type. */
export type Rows = Collection<Fields, false>;

/** A row as it is read: fields that were added later stand beside the others. */
export interface SimRow {
  readonly id: number;
  readonly tag: number;
  readonly text: string;
  readonly vec: ArrayLike<number>;
  readonly [extra: string]: unknown;
}

/** Opens the collection, made when it is not there. */
export async function openRows(db: Db, shards: number): Promise<Rows> {
  try {
    return (await db.collection(NAME)) as unknown as Rows;
  } catch (error) {
    if (!isElanusError(error, 'collection_not_found')) throw error;
    return db.collection(definitionOf(shards));
  }
}

/** Name of the n-th field that is added, and what rows have there that were written without it. */
export const extraName = (n: number): string => `extra${n}`;
/** See `extraName`. */
export const extraDefault = (n: number): number => 1_000_000 + n;

/** Everything of a row; vectors come only when they are asked for. */
export const allFields = (extras: Iterable<string> = []): never[] =>
  ['id', 'tag', 'text', 'vec', ...extras] as never[];

/** Adds the n-th field. */
export async function addExtra(db: Db, n: number): Promise<void> {
  const field = t.int64({ as: 'number', default: BigInt(extraDefault(n)) });
  await db.alter(NAME, { add: { [extraName(n)]: field } });
}

const textOf = (tag: number, id: number): string => `${tag}/${id} `.repeat(1 + ((tag + id) % 12));

/** Vectors lie so that many are equally far from a query. */
export const vectorOf = (tag: number, id: number): number[] => [tag % 97, id % 89, tag % 7, 1];

/** The row that write `tag` makes of key `id`. */
export function rowOf(tag: number, id: number, extras: readonly string[] = []): SimRow {
  const more = Object.fromEntries(extras.map((name) => [name, tag]));
  return { id, tag, text: textOf(tag, id), vec: vectorOf(tag, id), ...more };
}

/** Whether a row is as its write made it, but for fields that were added. */
export function isWhole({ id, tag, text, vec }: SimRow): boolean {
  return text === textOf(tag, id) && vectorOf(tag, id).every((one, i) => one === vec[i]);
}

/** Squared distance of a row to a query, exact for these vectors. */
export function distanceOf({ tag, id }: SimRow, query: readonly number[]): number {
  return vectorOf(tag, id).reduce((sum, one, i) => sum + (one - (query[i] ?? 0)) ** 2, 0);
}
