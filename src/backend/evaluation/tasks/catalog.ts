/** Every task by its file's name. Written by `npm run generate`. */
import type { Task } from "../harness/task";
import arcChallenge from "./arc_challenge";
import arcEasy from "./arc_easy";
import boolq from "./boolq";
import gsm8k from "./gsm8k";
import hellaswag from "./hellaswag";
import lambadaOpenai from "./lambada_openai";
import lambadaStandard from "./lambada_standard";
import mmlu from "./mmlu";
import openbookqa from "./openbookqa";
import piqa from "./piqa";
import wikitext from "./wikitext";
import winogrande from "./winogrande";

export const tasks: Readonly<Record<string, Task>> = {
  arc_challenge: arcChallenge,
  arc_easy: arcEasy,
  boolq,
  gsm8k,
  hellaswag,
  lambada_openai: lambadaOpenai,
  lambada_standard: lambadaStandard,
  mmlu,
  openbookqa,
  piqa,
  wikitext,
  winogrande,
};
