/** `lathe params FILE`: how many parameters the models of an experiment have. Nothing is run and no weight is made. */
import { estimatePlan } from "../../backend/runs/planning/estimate";
import { loadPlansFromHere } from "../loadPlansFromHere";
import { defineCommand } from "../command";
import { formatCountsTable } from "../countsTable";
import { type PlanOptions, planOptions } from "../planOptions";

export default defineCommand<readonly [string], PlanOptions & { readonly roles?: boolean }>({
  summary: "count the parameters of an experiment's models, before anything runs",
  arguments: [["<file>", "experiment file"]],
  options: [...planOptions, ["--roles", "list each matrix"]],
  async run({ args: [file], options, catalog, terminal }) {
    const { workspace, plans } = await loadPlansFromHere(file, options, catalog);
    const models = await Promise.all(
      plans.map(async (plan) => {
        const { name, variant, family, before } = await estimatePlan({ ...plan, steps: [] }, workspace);
        return {
          name,
          variant,
          model_type: family,
          non_embedding: before.nonEmbedding,
          total: before.total,
          roles: before.roles,
        };
      }),
    );
    const text = models
      .map(({ name, model_type, non_embedding, total, roles }) =>
        formatCountsTable(
          `${name} (${model_type})`,
          { nonEmbedding: non_embedding, total, roles },
          terminal,
          options.roles === true,
        ),
      )
      .join("\n\n");
    return { document: { models }, text };
  },
});
