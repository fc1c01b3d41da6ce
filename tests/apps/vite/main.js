import ms from "ms";
import "./style.css";
import logo from "./logo.svg";
import { greeting } from "./greeting.js";

const show = (id, text) => (document.getElementById(id).textContent = text);

show("greeting", greeting);
show("duration", ms(60_000, { long: true }));
document.getElementById("logo").src = logo;
import("./lazy.js").then(({ lazy }) => (window.lazy = lazy));

import.meta.hot.accept("./greeting.js", (module) => show("greeting", module.greeting));
