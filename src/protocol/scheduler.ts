/** What a scheduler has set for this process, which is one of several that execute the same command. */
export interface Scheduler {
  /** In messages: `SLURM`, or the variables that were read. */
  readonly name: string;
  readonly nodes: number;
  /** The number of this machine, from 0; the first one executes the run. */
  readonly node: number;
  /** `host:port` of the first machine. */
  readonly rendezvous: string;
  /** Of a scheduler that starts every process itself instead of one on each machine: processes on each machine. */
  readonly processes?: number;
  /** The number of this process among all, and on its machine, where the scheduler starts every process itself. */
  readonly rank?: number;
  readonly localRank?: number;
}

/** Whether this process only computes for the run of another one. */
export function isWorker({ node, rank }: Pick<Scheduler, "node" | "rank">): boolean {
  return (rank ?? node) > 0;
}
