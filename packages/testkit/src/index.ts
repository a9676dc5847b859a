export type { LoopEnd } from './sim/event-loop.ts';
export { EventLoop } from './sim/event-loop.ts';
export { SeededRng } from './sim/seeded-rng.ts';
export type { MachineFaults } from './sim/sim-machine.ts';
export { SimMachine } from './sim/sim-machine.ts';
