import { defineDataSet } from "../namedDataSet";

export default defineDataSet({
  title: "LaMini-instruction",
  folder: "lamini",
  licence: "CC BY-NC 4.0",
  purpose:
    "2,585,615 instructions with responses of gpt-3.5-turbo: what the published kphi-3 models were trained on.",
  columns: { instruction_column: "instruction", response_column: "response" },
  hub: { id: "MBZUAI/LaMini-instruction", split: "train" },
});
