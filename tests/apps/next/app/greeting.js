"use client";

import { useEffect, useState } from "react";

export default function Greeting() {
  const [ready, setReady] = useState(false);
  useEffect(() => setReady(true), []);
  return <h1 id="greeting">{ready ? "Hello" : "…"}</h1>;
}
