"""Microsoft Entra ID over Graph: the vendor's own words stay in here."""
