/** Opening a model without reading its weights: a run's classifier as well as its language model. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { openModel } from "../../../src/backend/imports/openModel";
import { createClassifierShape } from "../../../src/backend/models/classifier";
import { models } from "../../../src/backend/models/catalog";
import { writeCheckpoint } from "../../../src/backend/checkpoints/checkpoint";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../../support/subject";

it.each(Object.keys(models))("opens the checkpoint of a %s classifier", (family) => {
  using folder = createTemporaryFolder();
  const shape = createClassifierShape(createTinyShape(family), {
    kind: "classes",
    names: ["ham", "spam", "other"],
  });
  const tensors = drawModelTensors(shape, 2);
  const path = join(folder.path, "step-1");
  writeCheckpoint(path, { shape, tensors });
  using model = openModel(path);
  expect(model.shape).toEqual(shape);
  for (const [name, { data }] of tensors) expect(model.read(name), name).toEqual(data);
});
