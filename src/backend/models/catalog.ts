/** Every family by its file's name, which is its `model_type`. Generated from the folder; a test fails when an entry is missing. */
import type { AnyFamily } from "./family";
import gpt2 from "./gpt2";
import kphi3 from "./kphi3";
import llama from "./llama";
import phi3 from "./phi3";

export const models: Readonly<Record<string, AnyFamily>> = { gpt2, kphi3, llama, phi3 };
