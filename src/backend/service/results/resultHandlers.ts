/** The results of the steps of a run. */
import type { Handlers } from "../../../protocol/connection";
import type { Block } from "../../../protocol/blocks";
import { LruCache } from "../../../protocol/lruCache";
import type { RunRequests } from "../../../protocol/service/runs";
import type { RunFigures } from "../../card/figures";
import { MetricHistories } from "../metrics/metricHistories";
import type { Service } from "../service";

/** In addition to the histories of curves: only those of training steps whose table is requested. */
const historyBytes = 32 * 2 ** 20;
const endedLimit = 400;

export function createResultHandlers(
  service: Service,
): Handlers<Pick<RunRequests, "runs.results" | "runs.card" | "runs.tasks">> {
  const caches = {
    histories: new MetricHistories({ limit: historyBytes }),
    ended: new LruCache<readonly Block[]>({ limit: endedLimit }),
  };
  return {
    "runs.results": async ({ run }, { signal }) => {
      const { found } = service.runs.find(run);
      const { collectStepResults } = await import("./stepResults");
      return { steps: await collectStepResults(found, caches, signal) };
    },
    "runs.tasks": async ({ runs }, { signal }) => {
      const { createPairedTable } = await import("../../report/taskTables");
      const [base, ...others] = runs.flatMap((run) => {
        const { folder, record } = service.runs.find(run).found;
        return record === undefined ? [] : [{ folder, record }];
      });
      const pairs = base === undefined ? [] : others.map((run) => [run, base] as const);
      return { blocks: await createPairedTable(pairs, ({ name }) => name, signal) };
    },
    "runs.card": async ({ runs }, { signal }) => {
      const [{ createCardBlocks, createPaperCard }, siblings] = await Promise.all([
        import("../../card/paperCard"),
        import("../../runs/planning/siblings"),
      ]);
      const runRecords = runs.flatMap((run) => {
        const { folder, record } = service.runs.find(run).found;
        return record === undefined ? [] : [{ folder, record }];
      });
      const { describeDataRead, readFigures, findPaper, estimateFigures } = siblings;
      const paper = findPaper(runRecords.map(({ record }) => record.plan));
      if (paper === undefined) return { blocks: [] };
      const figures: RunFigures[] = [];
      for (const { folder, record } of runRecords) {
        signal.throwIfAborted();
        figures.push(
          record.state === "done"
            ? await readFigures({ folder, record })
            : await estimateFigures(record.plan, record.workspace ?? folder),
        );
      }
      const dataRead = describeDataRead(runRecords.map(({ record }) => record));
      const blocks = createCardBlocks(paper, createPaperCard(paper, figures));
      return { blocks: dataRead === "" ? blocks : [...blocks, { kind: "text", text: dataRead }] };
    },
  };
}
