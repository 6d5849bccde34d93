/** Prints the logits of a model for tokens 7i modulo the vocabulary, as JSON: `tsx scripts/reference/logits.ts FOLDER ROWS LENGTH`. */
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import { constant } from "../../src/backend/graph/op";
import { openModel } from "../../src/backend/imports/openModel";
import { dimensionsOf, forward, parametersOf, createValue } from "../../src/backend/models/model";

const [folder, rows, length] = process.argv.slice(2) as [string, string, string];
using model = openModel(folder);
const { vocabulary } = dimensionsOf(model.shape);
const size = Number(rows) * Number(length);
const tokens = constant(
  Int32Array.from({ length: size }, (_, i) => (7 * i) % vocabulary),
  [Number(rows), Number(length)],
);
const values = new Map(parametersOf(model.shape).map((spec) => [spec.name, createValue(spec)]));
const logits = forward(model.shape, (name) => values.get(name)!, { tokens });
const weights = Object.fromEntries([...values.keys()].map((name) => [name, model.read(name)]));
const results = evaluateGraph({ outputs: { logits } }, weights);
console.log(JSON.stringify({ shape: logits.type.shape, values: [...results["logits"]!] }));
