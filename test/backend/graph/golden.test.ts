import { expect, it } from "vitest";
import { formatListing } from "../../../src/backend/graph/graph";
import { createTinyTrainStep } from "../../support/tinyModels";

/** One graph holds all that training does, so a change of any part is seen in review. Rewritten by `vitest -u`. */
it("the training step of a tiny gpt2, forward, backward and AdamW, is the reviewed one", async () => {
  const step = createTinyTrainStep("gpt2", { weight_decay: 0.1 });
  await expect(formatListing(step)).toMatchFileSnapshot("golden/gpt2TrainStep.txt");
});
