// The page says which URL it was reached by.
document.getElementById("where").textContent = new URL(".", location.href).href;
