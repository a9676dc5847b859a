/**
 * `elanus/router`: the type of the public contract, for a stock `@trpc/client`. A door of its own,
 * so that only those who use tRPC need its types.
 */
export type { ElanusRouter } from '@elanus/client';
