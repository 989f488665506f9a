"""What each input type accepts and how it is read and written; `daybook.catalogue.types` is the table of them."""
