/**
 * Reads the tables of a flatbuffer, as far as Arrow's files need it. The bytes are not trusted:
 * whatever lies outside them throws RangeError, as `DataView` does, and nothing is followed twice.
 */

const decoder = new TextDecoder();

/** A vector inside a flatbuffer. */
export interface FlatVector {
  /** Position of the first element. */
  readonly at: number;
  readonly length: number;
}

/** A table: fields by number, absent ones read as 0, undefined or empty. */
export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;
  readonly #fields: number;
  readonly #fieldsBytes: number;

  private constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
    this.#fields = at - view.getInt32(at, true);
    this.#fieldsBytes = view.getUint16(this.#fields, true);
  }

  /** The root table of a buffer. */
  static root(view: DataView): FlatTable {
    return new FlatTable(view, view.getUint32(0, true));
  }

  /** Position of a field's value; 0 when it is absent. */
  #field(index: number): number {
    const slot = 4 + index * 2;
    if (slot + 2 > this.#fieldsBytes) return 0;
    const offset = this.#view.getUint16(this.#fields + slot, true);
    return offset === 0 ? 0 : this.#at + offset;
  }

  /** What an offset field points at; 0 when it is absent. */
  #target(index: number): number {
    const at = this.#field(index);
    return at === 0 ? 0 : at + this.#view.getUint32(at, true);
  }

  byte(index: number): number {
    const at = this.#field(index);
    return at === 0 ? 0 : this.#view.getUint8(at);
  }

  /** A 64-bit number. @throws RangeError when it is negative or beyond 2^53 */
  long(index: number): number {
    const at = this.#field(index);
    return at === 0 ? 0 : longAt(this.#view, at);
  }

  table(index: number): FlatTable | undefined {
    const at = this.#target(index);
    return at === 0 ? undefined : new FlatTable(this.#view, at);
  }

  text(index: number): string {
    const { at, length } = this.vector(index, 1);
    // Copied: decoders refuse shared memory.
    return decoder.decode(
      new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length).slice(),
    );
  }

  /** A vector of elements of so many bytes. @throws RangeError when it does not fit the buffer */
  vector(index: number, elementBytes: number): FlatVector {
    const at = this.#target(index);
    if (at === 0) return { at: 0, length: 0 };
    const length = this.#view.getUint32(at, true);
    if (at + 4 + length * elementBytes > this.#view.byteLength) throw new RangeError('vector');
    return { at: at + 4, length };
  }

  /** The tables of a vector of tables. */
  tables(index: number): FlatTable[] {
    const { at, length } = this.vector(index, 4);
    return Array.from({ length }, (_, i) => {
      const slot = at + i * 4;
      return new FlatTable(this.#view, slot + this.#view.getUint32(slot, true));
    });
  }
}

/** A signed 64-bit number that must be a length or a position. @throws RangeError */
export function longAt(view: DataView, at: number): number {
  const value = Number(view.getBigInt64(at, true));
  if (value < 0 || !Number.isSafeInteger(value)) throw new RangeError('number');
  return value;
}
