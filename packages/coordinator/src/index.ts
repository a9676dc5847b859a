export { startCoordinator, type Coordinator, type CoordinatorOptions } from './coordinator.ts';
export { planBuild, type BuildPlan } from './build-plan.ts';
