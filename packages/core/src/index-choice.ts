import { VECTOR_TYPES, type VectorType } from './vector-type.ts';

/** A whole number that an index is built with. */
export interface IndexParameter {
  readonly min: number;
  readonly max: number;
  /** Absent: it follows from the rows of each segment. */
  readonly default?: number;
}

/** What can be said of a kind of index. */
export interface IndexKindRow {
  /** Types of vectors it can be over. */
  readonly types: readonly VectorType[];
  readonly params: Readonly<Record<string, IndexParameter>>;
}

/** Of graphs, whatever their nodes hold. */
const GRAPH = {
  m: { min: 2, max: 64, default: 16 },
  efConstruction: { min: 2, max: 2048, default: 200 },
} as const;

/** Lists are for large segments: 65,536 of them is the most that a file holds. */
const LISTS = { nlist: { min: 1, max: 65_536 } } as const;

const NUMBERS: readonly VectorType[] = ['float32', 'float16', 'bfloat16', 'int8'];

/**
 * The kinds of index that a field can ask for: a kind is a row here, and the name of a builder in
 * `@elanus/index` in capitals. 'auto' chooses for each segment by its rows.
 */
export const INDEX_KINDS = {
  auto: { types: VECTOR_TYPES, params: {} },
  flat: { types: VECTOR_TYPES, params: {} },
  flat_sq8: { types: NUMBERS, params: {} },
  hnsw: { types: NUMBERS, params: GRAPH },
  hnsw_flat: { types: NUMBERS, params: GRAPH },
  hnsw_bf16: { types: ['float32'], params: GRAPH },
  ivf_flat: { types: NUMBERS, params: LISTS },
  ivf_sq8: { types: NUMBERS, params: LISTS },
  bin_ivf_flat: { types: ['binary'], params: LISTS },
  ivf_rabitq: { types: NUMBERS, params: LISTS },
  sparse_inverted: { types: ['sparse'], params: {} },
} as const satisfies Readonly<Record<string, IndexKindRow>>;

/** A kind of index, as callers write it. */
export type IndexChoiceKind = keyof typeof INDEX_KINDS;

type ParamsOf<K extends IndexChoiceKind> = {
  readonly [P in keyof (typeof INDEX_KINDS)[K]['params']]?: number | undefined;
};

/** Which index a vector field wants. Plain JSON. */
export type IndexChoice = {
  readonly [K in IndexChoiceKind]: ParamsOf<K> & {
    readonly kind: K;
    /** Recall that searches aim at when they say none; above 0, at most 1. */
    readonly recall?: number | undefined;
  };
}[IndexChoiceKind];

/** What a field without a choice gets. */
export const AUTO_INDEX: IndexChoice = { kind: 'auto' };

/** An index as it was built over one segment, for the planner and for people. Plain JSON. */
export interface BuiltIndex {
  readonly field: number;
  /** `indexBuildKey` of the choice that it was built for. */
  readonly choice: string;
  /** Of `IndexKind`, in capitals. */
  readonly kind: string;
  readonly params: Readonly<Record<string, number>>;
  readonly bytes: number;
}

/**
 * The parameters of a choice in the order of the table, defaults written out; those that follow
 * from the rows are left out unless they are given.
 */
export function indexParams(choice: IndexChoice): Readonly<Record<string, number>> {
  const row: IndexKindRow = INDEX_KINDS[choice.kind];
  const given = choice as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.entries(row.params).flatMap(([name, { default: usual }]) => {
      const value = given[name] ?? usual;
      return typeof value === 'number' ? [[name, value]] : [];
    }),
  );
}

/**
 * What a build depends on, as one text: an index of another key has to be built again. The recall
 * that searches aim at changes a build only where the kind is chosen by it.
 */
export function indexBuildKey(choice: IndexChoice = AUTO_INDEX): string {
  const { kind, recall } = choice;
  const told = kind === 'auto' && recall !== undefined ? { recall } : {};
  return JSON.stringify({ kind, ...indexParams(choice), ...told });
}
