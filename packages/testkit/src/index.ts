export type { LoopEnd } from './sim/event-loop.ts';
export { EventLoop } from './sim/event-loop.ts';
export type { PortCall, PortHooks, Strike } from './sim/port-tap.ts';
export { SeededRng } from './sim/seeded-rng.ts';
export type { MachineFaults } from './sim/sim-machine.ts';
export { NO_FAULTS, SimMachine } from './sim/sim-machine.ts';
