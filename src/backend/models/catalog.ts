/** Every family of models by its file's name. Written by `npm run generate`. */
import type { AnyFamily } from "./family";
import bert from "./bert";
import gpt2 from "./gpt2";
import kphi3 from "./kphi3";
import llama from "./llama";
import phi3 from "./phi3";
import qwen2 from "./qwen2";

export const models: Readonly<Record<string, AnyFamily>> = { bert, gpt2, kphi3, llama, phi3, qwen2 };
