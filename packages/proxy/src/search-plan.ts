/**
 * What a search asks for besides its vectors, read against the schema and checked. Most searches of
 * an application ask as the one before: that is seen at once, and what was read is kept.
 */
import { checkVectors, type SearchRequest } from '@elanus/api';
import {
  columnRows,
  didYouMean,
  ElanusError,
  INDEX_KINDS,
  LIMITS,
  primaryField,
  sameValue,
  vectorFields,
  vectorShape,
  type CollectionSchema,
  type Field,
  type FieldId,
  type IndexKindRow,
  type Metric,
  type SearchEffort,
  type SparseColumn,
  type VectorColumn,
} from '@elanus/core';
import type { StandingSearch } from '@elanus/protocol';
import { readProjection, type Columns } from './projection.ts';
import { readRequestFilter, type RequestFilter } from './request-filter.ts';

/** See the file's header. */
export interface SearchPlan {
  readonly field: Field;
  readonly metric: Metric;
  readonly keyField: FieldId;
  readonly limit: number;
  readonly offset: number;
  readonly filter: RequestFilter;
  readonly bounds: { readonly min: number; readonly max: number } | undefined;
  readonly effort: SearchEffort;
  readonly columns: Columns;
}

/** The parts of a request that make its plan. */
type Asked = Pick<
  SearchRequest,
  'field' | 'limit' | 'offset' | 'filter' | 'within' | 'recall' | 'params' | 'select' | 'omit'
>;

/** A plan that is kept. */
export interface KeptPlan {
  readonly plan: SearchPlan;
  /** A copy of what was asked; undefined until the same filter has come twice in a row. */
  readonly asked: Asked | undefined;
  /** What stands of the last search by this plan; see protocol/standing.ts. */
  standing: StandingSearch | undefined;
}

/** Plans of late, by schema. */
export class SearchPlans {
  readonly #last = new WeakMap<CollectionSchema, KeptPlan>();

  /** The plan that the search before this one had, where this one asks alike. */
  known(request: SearchRequest, schema: CollectionSchema): KeptPlan | undefined {
    const last = this.#last.get(schema);
    return last?.asked !== undefined && sameAsked(last.asked, request) ? last : undefined;
  }

  /** The plan of a search. @throws unknown_field, invalid_argument, filter_invalid, ... */
  of(request: SearchRequest, schema: CollectionSchema): KeptPlan {
    const known = this.known(request, schema);
    if (known !== undefined) return known;
    const plan = planOf(request, schema);
    const again = this.#last.get(schema)?.plan.filter === plan.filter;
    // A copy costs as much as a plan: searches that differ each time do without.
    const kept = { plan, asked: again ? copyOf(request) : undefined, standing: undefined };
    this.#last.set(schema, kept);
    return kept;
  }
}

function sameAsked(a: Asked, b: Asked): boolean {
  return (
    a.limit === b.limit &&
    a.offset === b.offset &&
    a.field === b.field &&
    a.recall === b.recall &&
    sameValue(a.params, b.params) &&
    sameValue(a.select, b.select) &&
    sameValue(a.omit, b.omit) &&
    sameValue(a.filter, b.filter) &&
    sameValue(a.within, b.within)
  );
}

function copyOf(asked: Asked): Asked {
  const { field, limit, offset, filter, within, recall, params, select, omit } = asked;
  return structuredClone({ field, limit, offset, filter, within, recall, params, select, omit });
}

function planOf(request: SearchRequest, schema: CollectionSchema): SearchPlan {
  const field = vectorField(schema, request.field);
  return {
    field,
    metric: vectorShape(field).metric,
    keyField: primaryField(schema).id,
    limit: request.limit,
    offset: request.offset,
    filter: readRequestFilter(request.filter, schema),
    bounds: boundsOf(request),
    effort: effortOf(request, field),
    columns: readProjection(request, schema),
  };
}

/** Checks the vectors of a search; how many there are. @throws limit_out_of_range, ... */
export function checkQueries(field: Field, queries: VectorColumn | SparseColumn): number {
  const nq = columnRows(queries);
  if (!Number.isInteger(nq) || nq < 1 || nq > LIMITS.queriesMax) {
    const expected = `1 to ${LIMITS.queriesMax} queries`;
    throw new ElanusError('limit_out_of_range', { expected, got: String(nq) });
  }
  checkVectors(queries, field);
  return nq;
}

function vectorField(schema: CollectionSchema, name: string | undefined): Field {
  const fields = vectorFields(schema);
  const found = name === undefined ? fields[0] : fields.find((field) => field.name === name);
  if (found !== undefined && (name !== undefined || fields.length === 1)) return found;
  const hint = `Vector fields are ${fields.map((field) => field.name).join(', ')}.`;
  if (name === undefined) throw new ElanusError('missing_field', { field: 'field', hint });
  throw new ElanusError('unknown_field', { field: name, hint });
}

/** @throws invalid_argument */
function effortOf(request: SearchRequest, field: Field): SearchEffort {
  const { recall = field.index?.recall, params = {} } = request;
  if (recall !== undefined && !(recall > 0 && recall <= 1)) {
    const hint = 'It is above 0 and at most 1.';
    throw new ElanusError('invalid_argument', { argument: 'recall', got: String(recall), hint });
  }
  const { exact, ef, nprobe, refine, dropRatio } = params;
  for (const unknown of Object.keys(params)) {
    if (SEARCH_PARAMS.includes(unknown)) continue;
    const hint = didYouMean(unknown, SEARCH_PARAMS) ?? `There are: ${SEARCH_PARAMS.join(', ')}.`;
    throw new ElanusError('invalid_argument', { argument: `params.${unknown}`, hint });
  }
  if (ef !== undefined && !(Number.isInteger(ef) && ef >= 1 && ef <= LIMITS.efMax)) {
    const hint = `It is a whole number from 1 to ${LIMITS.efMax}.`;
    throw new ElanusError('invalid_argument', { argument: 'params.ef', got: String(ef), hint });
  }
  if (nprobe !== undefined) {
    const fits = Number.isInteger(nprobe) && nprobe >= 1 && nprobe <= LIMITS.nprobeMax;
    checkLists({ name: 'nprobe', value: nprobe, fits, field });
  }
  if (refine !== undefined) {
    const fits = refine >= 1 && refine <= LIMITS.refineMax;
    checkLists({ name: 'refine', value: refine, fits, field });
  }
  const sparse = vectorShape(field).type === 'sparse';
  if (dropRatio !== undefined && !(sparse && dropRatio >= 0 && dropRatio < 1)) {
    const hint = 'It is 0 to below 1, for sparse vectors.';
    const [argument, got] = ['params.dropRatio', String(dropRatio)];
    throw new ElanusError('invalid_argument', { argument, got, hint });
  }
  // Postings find everything unless told to drop: no need to scan the rows themselves.
  const whole = recall === 1 && !(sparse && !dropRatio);
  return { exact: whole || exact === 1, recall, ef, nprobe, refine, dropRatio };
}

const SEARCH_PARAMS: readonly string[] = ['ef', 'nprobe', 'refine', 'exact', 'dropRatio'];
const LIST_PARAMS = {
  nprobe: `a whole number from 1 to ${LIMITS.nprobeMax}`,
  refine: `a number from 1 to ${LIMITS.refineMax}`,
} as const;
const LIST_KINDS: readonly IndexKindRow[] = [INDEX_KINDS.ivf_flat, INDEX_KINDS.bin_ivf_flat];

/**
 * Refused only where there never are lists: a field that has another index today, or an older one
 * until the lists are built, ignores it.
 *
 * @throws invalid_argument
 */
function checkLists(of: {
  readonly name: keyof typeof LIST_PARAMS;
  readonly value: number;
  readonly fits: boolean;
  readonly field: Field;
}): void {
  const { name, value, fits, field } = of;
  const { type } = vectorShape(field);
  const refinable: readonly IndexKindRow[] = [INDEX_KINDS.ivf_rabitq];
  const types = (name === 'nprobe' ? LIST_KINDS : refinable).flatMap((kind) => kind.types);
  if (fits && types.includes(type)) return;
  const hint = `It is ${LIST_PARAMS[name]}, for ${types.join(', ')}.`;
  const [argument, got] = [`params.${name}`, `${value} over ${type}`];
  throw new ElanusError('invalid_argument', { argument, got, hint });
}

function boundsOf(request: SearchRequest): { min: number; max: number } | undefined {
  const { within } = request;
  if (within === undefined || (within.min === undefined && within.max === undefined)) {
    return undefined;
  }
  const { min = -Infinity, max = Infinity } = within;
  if (Number.isNaN(min) || Number.isNaN(max) || min > max) {
    throw new ElanusError('invalid_argument', {
      argument: 'within',
      hint: 'min and max are numbers, min at most max.',
    });
  }
  return { min, max };
}
