import { revalidatePath } from "next/cache";

import Greeting from "./greeting";

let greeted = "nobody";

async function greet(form) {
  "use server";
  greeted = form.get("name");
  revalidatePath("/");
}

export default function Page() {
  return (
    <main>
      <Greeting />
      <p id="greeted">{greeted}</p>
      <form action={greet}>
        <input name="name" defaultValue="Ana" />
        <button id="greet">Greet</button>
      </form>
    </main>
  );
}

export const dynamic = "force-dynamic";
