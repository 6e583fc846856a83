"""The texts of the messages: data, a file a template; `outreach.contact.wording` reads them."""
