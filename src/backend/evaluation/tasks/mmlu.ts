import { strip } from "../harness/pythonText";
import { defineTask } from "../harness/task";

/** The sets of the data set, by the group that the harness also averages. */
const subjects = {
  stem: "abstract_algebra anatomy astronomy college_biology college_chemistry college_computer_science college_mathematics college_physics computer_security conceptual_physics electrical_engineering elementary_mathematics high_school_biology high_school_chemistry high_school_computer_science high_school_mathematics high_school_physics high_school_statistics machine_learning",
  other:
    "business_ethics clinical_knowledge college_medicine global_facts human_aging management marketing medical_genetics miscellaneous nutrition professional_accounting professional_medicine virology",
  social_sciences:
    "econometrics high_school_geography high_school_government_and_politics high_school_macroeconomics high_school_microeconomics high_school_psychology human_sexuality professional_psychology public_relations security_studies sociology us_foreign_policy",
  humanities:
    "formal_logic high_school_european_history high_school_us_history high_school_world_history international_law jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory professional_law world_religions",
} as const;

const letters = ["A", "B", "C", "D"] as const;

export default defineTask({
  kind: "choices",
  title: "MMLU",
  version: "2",
  splits: { test: "test", fewshot: "dev" },
  firstExamples: true,
  parts: Object.entries(subjects).flatMap(([group, names]) =>
    names.split(" ").map((name) => ({
      name: `mmlu_${name}`,
      group: `mmlu_${group}`,
      description: `The following are multiple choice questions (with answers) about ${name.replaceAll("_", " ")}.\n\n`,
      data: { folder: `mmlu/${name}`, hub: "cais/mmlu", config: name, license: "MIT" },
    })),
  ),
  normalized: false,
  read(document) {
    const choices = document.texts("choices");
    if (choices.length !== letters.length)
      return document.refuse(`it has ${choices.length} choices instead of ${letters.length}`);
    const answers = letters.map((letter, i) => `${letter}. ${choices[i]!}`).join("\n");
    return {
      context: `${strip(document.text("question"))}\n${answers}\nAnswer:`,
      choices: letters,
      gold: document.index("answer", letters.length),
    };
  },
});
