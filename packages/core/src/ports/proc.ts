/** The process, as far as the code may know it. */
export interface Proc {
  readonly pid: number;
  /** Resident bytes now. */
  residentBytes(): number;
  /** Bytes of memory of the machine or its limit. */
  memoryBytes(): number;
  /** Processors this process may use. */
  readonly cores: number;
  /** A setting from outside, or undefined. */
  setting(name: string): string | undefined;
}
