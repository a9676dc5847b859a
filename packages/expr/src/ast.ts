/** A constant in a filter: integers are bigint, other numbers are number, objects are maps. */
export type Literal =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | readonly Literal[]
  | ReadonlyMap<string, Literal>;

/** Comparison operators, spelled as in filter text. */
export type CompareOp = '==' | '!=' | '<' | '<=' | '>' | '>=';

/** Arithmetic that a filter may apply to one field and one constant. */
export type ArithOp = '+' | '-' | '*' | '/' | '%';

/** How many of the listed values an array has to hold. */
export type ContainsMode = 'any' | 'all';

/** Where in the text a node begins (UTF-16 units); absent in filters made from objects. */
interface At {
  readonly at?: number | undefined;
}

/** A constant, already folded. */
export interface LiteralExpr extends At {
  readonly kind: 'literal';
  readonly value: Literal;
}

/** A field, or what lies under it: JSON keys and array positions. */
export interface PathExpr extends At {
  readonly kind: 'path';
  readonly name: string;
  readonly path: readonly (string | number)[];
}

/** `operand op constant`, `constant op operand` for + and *. */
export interface ArithExpr extends At {
  readonly kind: 'arith';
  readonly op: ArithOp;
  readonly operand: Expr;
  readonly by: LiteralExpr;
}

/** `array_length(operand)`. */
export interface LengthExpr extends At {
  readonly kind: 'length';
  readonly operand: Expr;
}

/** A span of time in milliseconds: `INTERVAL 'P1DT2H'`. */
export interface IntervalExpr extends At {
  readonly kind: 'interval';
  readonly ms: number;
}

/** `left op right`. */
export interface CompareExpr extends At {
  readonly kind: 'compare';
  readonly op: CompareOp;
  readonly left: Expr;
  readonly right: Expr;
}

/** `operand in [..]`, `operand not in [..]`. */
export interface InExpr extends At {
  readonly kind: 'in';
  readonly operand: Expr;
  readonly list: Expr;
  readonly negated: boolean;
}

/** `operand like "pattern"`. */
export interface LikeExpr extends At {
  readonly kind: 'like';
  readonly operand: Expr;
  readonly pattern: Expr;
}

/** `operand is null`, `operand is not null`, `exists operand`. */
export interface NullExpr extends At {
  readonly kind: 'null';
  readonly operand: Expr;
  readonly negated: boolean;
}

/** `array_contains(operand, value)` and its any and all forms. */
export interface ContainsExpr extends At {
  readonly kind: 'contains';
  readonly mode: ContainsMode;
  readonly operand: Expr;
  readonly values: Expr;
}

/** All (`and`) or at least one (`or`) of the items. */
export interface JoinExpr extends At {
  readonly kind: 'and' | 'or';
  readonly items: readonly Expr[];
}

/** The opposite; unknown stays unknown. */
export interface NotExpr extends At {
  readonly kind: 'not';
  readonly operand: Expr;
}

/** A filter as written, before any schema has been looked at. */
export type Expr =
  | LiteralExpr
  | PathExpr
  | ArithExpr
  | LengthExpr
  | IntervalExpr
  | CompareExpr
  | InExpr
  | LikeExpr
  | NullExpr
  | ContainsExpr
  | JoinExpr
  | NotExpr;
