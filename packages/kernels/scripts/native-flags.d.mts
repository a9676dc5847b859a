/** Flags for every source and machine. */
export const LANGUAGE: readonly string[];
/** Instruction sets by machine, each with its flags. */
export const ISAS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
